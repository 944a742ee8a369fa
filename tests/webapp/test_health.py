def test_health_answers_without_a_query(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


def test_health_only_reads(client):
    assert client.post("/healthz").status_code == 405
