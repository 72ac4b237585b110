from streamstats.lib.origins import origins, secure_origins


def test_an_origin_keeps_scheme_host_and_port():
    assert origins("http://127.0.0.1:8479/v3") == ["http://127.0.0.1:8479"]


def test_each_origin_comes_once():
    assert origins("https://a.example/1", "https://a.example/2", "https://b.example") == [
        "https://a.example",
        "https://b.example",
    ]


def test_an_empty_address_has_none():
    assert origins("") == []


def test_forms_come_from_our_own_hosts_over_tls():
    assert secure_origins(["stats.example.org", ".example.com", "[::1]", "*"]) == [
        "https://stats.example.org",
        "https://*.example.com",
        "https://[::1]",
    ]
