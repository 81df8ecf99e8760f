import json

from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from gateway.ops import metrics
from tests.intake.conftest import Open, Party

NAMES = {one._name for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)}


async def test_live_says_that_the_process_answers_even_while_the_store_does_not(open_site: Open):
    site = await open_site(min_free_mb=10**9)
    status, _, body = await site.ask("GET", "/live")
    assert (status, json.loads(body)) == (200, {"status": "alive", "version": "1.2.3"})


async def test_ready_is_yes_only_while_the_store_commits(open_site: Open):
    site = await open_site()
    status, _, body = await site.ask("GET", "/ready")
    assert (status, json.loads(body)["checks"]["store"]) == (200, "good")
    await site.store.close()
    status, _, body = await site.ask("GET", "/ready")
    assert (status, json.loads(body)["status"]) == (503, "not_ready")
    assert "not open" in json.loads(body)["checks"]["store"]


async def test_ready_is_no_where_an_accept_would_be_refused_for_want_of_room(open_site: Open):
    site = await open_site(min_free_mb=10**9)
    status, _, body = await site.ask("GET", "/ready")
    assert (status, json.loads(body)["checks"]["store"]) == (503, "the disk is nearly full")


async def test_ready_is_no_while_a_channel_is_stale_or_the_gateway_drains(open_site: Open):
    site = await open_site()
    wrong = "no good poll for 400 s"
    site.health.checks["channel.mailbox"] = lambda: wrong
    status, _, body = await site.ask("GET", "/ready")
    assert (status, json.loads(body)["checks"]["channel.mailbox"]) == (503, wrong)
    wrong = ""
    assert (await site.ask("GET", "/ready"))[0] == 200
    site.health.draining = True
    assert (await site.ask("GET", "/ready"))[0] == 503


async def test_metrics_lists_every_metric_and_counts_what_happened_without_personal_data(open_site: Open):
    site = await open_site(Party())
    await site.ask("POST", "/intake/party", "我的手机号13800138000，卡被盗刷", **{"Idempotency-Key": "13800138000"})
    await site.ask("POST", "/intake/party", "other", **{"Idempotency-Key": "13800138000"})
    await site.ask("GET", "/13800138000?phone=13800138000")
    _, headers, body = await site.ask("GET", "/metrics")
    text = body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert headers["Content-Type"].startswith("text/plain")
    assert len(NAMES) >= 13
    assert families.keys() >= NAMES
    assert "13800138000" not in text
    assert "盗刷" not in text
    samples = {
        (sample.name, sample.labels.get("channel"), sample.labels.get("outcome", sample.labels.get("code")))
        for family in families.values()
        for sample in family.samples
        if sample.value
    }
    assert ("huiyin_accepted_total", "party", "new") in samples
    assert ("huiyin_refused_total", "party", "key_conflict") in samples
    assert ("huiyin_refused_total", "-", "not_found") in samples


async def test_the_description_of_the_api_is_valid_and_names_every_json_address(open_site: Open):
    site = await open_site(Party(), Party("b", paths=("/intake/b/{id}", "/guestbook")))
    status, _, body = await site.ask("GET", "/openapi.json")
    described = json.loads(body)
    OpenAPIV31SpecValidator(described).validate()
    assert status == 200
    assert described["paths"].keys() == {
        "/intake/party", "/intake/b/{id}", "/live", "/ready", "/metrics", "/openapi.json",
    }  # fmt: skip
    assert "Complaint" in described["components"]["schemas"]
