{{- define "rollcall.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{/* Of a component: a list of the root and its name. */}}
{{- define "rollcall.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "rollcall.labels" -}}
{{- $root := index . 0 -}}
{{ include "rollcall.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "rollcall.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* What Pod Security calls restricted; the user is the image's: 10001, or HAProxy's 99. */}}
{{- define "rollcall.podSecurity" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "rollcall.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Where its pods go: a list of the root, the component's name and its values. */}}
{{- define "rollcall.placement" -}}
{{- $values := index . 2 -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "rollcall.selector" $ | nindent 8 }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Settings of a service or job: a list of the root, a dict of its own, and whether clients reach it. Its
     own go before those of all, and what the chart fixes goes before both. */}}
{{- define "rollcall.env" -}}
{{- $root := index . 0 -}}
{{- $fixed := dict "ROLLCALL_KAFKA_BOOTSTRAP" $root.Values.kafka.bootstrap "ROLLCALL_SECRETS_DIR" "/secrets" -}}
{{- $default := dict -}}
{{- if index . 2 }}{{ $default = dict "ROLLCALL_TRUSTED_PROXIES" "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16" }}{{ end -}}
{{- range $name, $value := merge (dict) $fixed (index . 1) $root.Values.settings $default }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* A folder of files that are called like settings: a list of names of Secrets, or of what stands below
     `secret` where only some of its keys are meant. */}}
{{- define "rollcall.secrets" -}}
- name: secrets
  {{- with . | compact | uniq }}
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret: {{ ternary . (dict "name" .) (kindIs "map" .) | toJson }}
      {{- end }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end }}

{{/* A Deployment of ours: a dict of root, name, values, settings, secrets, admin port, and public port. */}}
{{- define "rollcall.deployment" -}}
{{- $root := .root -}}
{{- $component := list .root .name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "rollcall.name" .root }}-{{ .name }}
  labels:
    {{- include "rollcall.labels" $component | nindent 4 }}
spec:
  {{- if not (dig "autoscaling" "enabled" false .values) }}
  replicas: {{ .values.replicas }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {{ .rollingUpdate | toJson }}
  selector:
    matchLabels:
      {{- include "rollcall.selector" $component | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "rollcall.labels" $component | nindent 8 }}
      {{- with .values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "rollcall.podSecurity" 10001 | nindent 6 }}
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "rollcall.placement" (list .root .name .values) | nindent 6 }}
      containers:
        - name: {{ .name }}
          image: {{ include "rollcall.image" .root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [python, -m, {{ .module | default .name }}]
          {{- include "rollcall.containerSecurity" . | nindent 10 }}
          env:
            {{- include "rollcall.env" (list .root .values.settings .port) | nindent 12 }}
          ports:
            {{- with .port }}
            - {name: http, containerPort: {{ . }}}
            {{- end }}
            - {name: admin, containerPort: {{ .adminPort }}}
          # It runs: what it needs may be away, which readiness tells.
          startupProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 3
            timeoutSeconds: 3
            failureThreshold: 2
          {{- with .values.preStopSleepSeconds }}
          # Until everybody who sends calls here has heard that it ends.
          lifecycle:
            preStop:
              exec: {command: [sleep, {{ . | quote }}]}
          {{- end }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: secrets, mountPath: /secrets, readOnly: true}
      volumes:
        - name: tmp
          emptyDir: {medium: Memory, sizeLimit: 64Mi}
        {{- include "rollcall.secrets" .secrets | nindent 8 }}
{{- end }}

{{/* A Job before an installation or upgrade: a dict of root, name, command, settings and secrets. */}}
{{- define "rollcall.job" -}}
{{- $jobs := .root.Values.jobs -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "rollcall.name" .root }}-{{ .name }}
  labels:
    {{- include "rollcall.labels" (list .root .name) | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    # One that has failed stays, with its log, until the next attempt.
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ add 600 (mul 4 $jobs.waitSeconds) }}
  template:
    metadata:
      labels:
        {{- include "rollcall.labels" (list .root .name) | nindent 8 }}
    spec:
      restartPolicy: Never
      {{- include "rollcall.podSecurity" 10001 | nindent 6 }}
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "rollcall.image" .root | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: [rollcall, {{ .name }}, --wait, {{ $jobs.waitSeconds | quote }}]
          {{- include "rollcall.containerSecurity" . | nindent 10 }}
          env:
            {{- include "rollcall.env" (list .root .settings false) | nindent 12 }}
          resources:
            {{- toYaml $jobs.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: secrets, mountPath: /secrets, readOnly: true}
      volumes:
        - name: tmp
          emptyDir: {medium: Memory, sizeLimit: 16Mi}
        {{- include "rollcall.secrets" .secrets | nindent 8 }}
{{- end }}

{{/* A headless Service: the gateway and the API's callers get every ready pod from DNS. */}}
{{- define "rollcall.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "rollcall.name" .root }}-{{ .name }}
  labels:
    {{- include "rollcall.labels" (list .root .name) | nindent 4 }}
spec:
  clusterIP: None
  selector:
    {{- include "rollcall.selector" (list .root .name) | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
{{- end }}

{{/* A name that leads to the admin port of every pod, ready or not: the API asks there how they do. It opens
     nothing: who may connect is up to the NetworkPolicy. */}}
{{- define "rollcall.adminService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "rollcall.name" .root }}-{{ .name }}-admin
  labels:
    {{- include "rollcall.labels" (list .root .name) | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "rollcall.selector" (list .root .name) | nindent 4 }}
  ports:
    - {name: admin, port: {{ .port }}, targetPort: admin}
{{- end }}

{{/* The services that have an admin port, each with its number, as JSON. */}}
{{- define "rollcall.adminPorts" -}}
{{- $ports := dict "ingest" 9081 "processor" 9083 "api" 9082 -}}
{{- if .Values.notify.enabled }}{{ $ports = set $ports "notify" 9084 }}{{ end -}}
{{ $ports | toJson }}
{{- end }}

{{/* Settings of the API that name those, unless others are set. Hosts that may be asked by plain http are
     these beside those that are set. */}}
{{- define "rollcall.adminTargets" -}}
{{- $given := merge (dict) .Values.api.settings .Values.settings -}}
{{- if not (hasKey $given "ROLLCALL_ADMIN_TARGETS") -}}
{{- $targets := list -}}
{{- $hosts := list -}}
{{- range $name, $port := include "rollcall.adminPorts" . | fromJson -}}
{{- $host := printf "%s-%s-admin" (include "rollcall.name" $) $name -}}
{{- $targets = append $targets (printf "%s:%d" $host (int $port)) -}}
{{- $hosts = append $hosts $host -}}
{{- end -}}
ROLLCALL_ADMIN_TARGETS: {{ join "," $targets | quote }}
ROLLCALL_PLAIN_HTTP_HOSTS: {{ join "," (append $hosts (get $given "ROLLCALL_PLAIN_HTTP_HOSTS") | compact) | quote }}
{{- end -}}
{{- end }}
