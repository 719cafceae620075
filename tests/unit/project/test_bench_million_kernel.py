"""What ``make bench-million`` reads of the kernel's counters."""

from __future__ import annotations

from pathlib import Path

from tests.bench.million.kernel import Packets, packets


def test_counters_are_read_by_their_names_and_those_of_cores_summed(tmp_path: Path) -> None:
    (tmp_path / "net/stat").mkdir(parents=True)
    (tmp_path / "net/snmp").write_text(
        "Ip: Forwarding\nIp: 1\nTcp: InSegs RetransSegs OutRsts\nTcp: 100 7 3\n"
    )
    (tmp_path / "net/netstat").write_text(
        "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 1 20\nIpExt: InNoRoutes\nIpExt: 0\n"
    )
    (tmp_path / "net/stat/nf_conntrack").write_text(
        "entries  drop early_drop\n00015eb6  000000ff 00000000\n00015eb6  00000001 00000000\n"
    )
    assert packets(tmp_path) == Packets(sent_again=7, not_let_in=20, not_tracked=256)


def test_a_kernel_that_tracks_no_connections_dropped_none(tmp_path: Path) -> None:
    assert packets(tmp_path) == Packets()


def test_what_happened_between_two_looks_is_told() -> None:
    told = str(Packets(1_500, 3, 2_000) - Packets(500, 1, 0))
    assert told.startswith("1,000 packets were sent again; of connections that phones began 2 were")
    assert "2,000 because the kernel had no room to track them" in told
