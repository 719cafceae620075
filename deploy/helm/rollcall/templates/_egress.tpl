{{/* Where each component may connect to, as rules by its name; and the types of all policies. */}}
{{- define "rollcall.egress" -}}
{{- $v := .Values.networkPolicy.egress -}}
{{- if not $v.enabled -}}
types: [Ingress]
{{- else -}}
{{- $kafkaPorts := $v.kafkaPorts -}}
{{- range splitList "," .Values.kafka.bootstrap }}{{ $kafkaPorts = append $kafkaPorts (splitList ":" . | last | int) }}{{ end -}}
{{- $kafka := include "rollcall.egressRule" (list $v.kafkaTo $kafkaPorts) | fromJson -}}
{{- $database := include "rollcall.egressRule" (list $v.databaseTo $v.databasePorts) | fromJson -}}
{{- $issuer := include "rollcall.egressRule" (list $v.issuerTo $v.issuerPorts) | fromJson -}}
{{- $dns := dict "ports" (list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP")) -}}
{{- $ours := list $dns -}}
{{- range $name, $ports := dict "ingest" (list 8081 9081) "api" (list 8082 9082) -}}
{{- $peer := dict "podSelector" (dict "matchLabels" (include "rollcall.selector" (list $ $name) | fromYaml)) -}}
{{- $ours = append $ours (include "rollcall.egressRule" (list (list $peer) $ports) | fromJson) -}}
{{- end -}}
{{- $admin := list -}}
{{- range $name, $port := include "rollcall.adminPorts" . | fromJson -}}
{{- $peer := dict "podSelector" (dict "matchLabels" (include "rollcall.selector" (list $ $name) | fromYaml)) -}}
{{- $admin = append $admin (include "rollcall.egressRule" (list (list $peer) (list $port)) | fromJson) -}}
{{- end -}}
types: [Ingress, Egress]
ingest: {{ list $dns $kafka $issuer | toJson }}
processor: {{ list $dns $kafka $database | toJson }}
notify: {{ list $dns $kafka $database (include "rollcall.egressRule" (list $v.webhooksTo $v.webhooksPorts) | fromJson) | toJson }}
api: {{ concat (list $dns $kafka $database $issuer) $admin | toJson }}
migrate: {{ list $dns $database | toJson }}
topics: {{ list $dns $kafka | toJson }}
canary: {{ list $dns (include "rollcall.egressRule" (list list (list 8080 8443 80 443)) | fromJson) | toJson }}
audit: {{ list $dns $kafka $database | toJson }}
gateway: {{ $ours | toJson }}
{{- end }}
{{- end }}

{{/* One rule: a list of peers, everybody if it is empty, and of ports. */}}
{{- define "rollcall.egressRule" -}}
{{- $ports := list -}}
{{- range index . 1 | uniq }}{{ $ports = append $ports (dict "port" (int .) "protocol" "TCP") }}{{ end -}}
{{- $rule := dict "ports" $ports -}}
{{- with index . 0 }}{{ $rule = set $rule "to" . }}{{ end -}}
{{ $rule | toJson }}
{{- end }}
