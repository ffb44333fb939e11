"""Completions, embeddings, moderations and the list of models."""

import pytest

INSTRUCT, EMBED, MODERATE = "gpt-3.5-turbo-instruct", "text-embedding-3-small", "omni-moderation-latest"


def test_a_prompt_is_completed(stand, client):
    answer = client.completions.create(model=INSTRUCT, prompt="Once upon", max_tokens=50)
    assert answer.choices[0].text == f"You said: {stand.decorated('Once upon')}"
    record = stand.settle().record
    assert record["operation"] == "completions"
    assert record["usage"]["total"] == answer.usage.total_tokens


def test_a_completion_streams(stand, client):
    chunks = list(client.completions.create(model=INSTRUCT, prompt="Once upon a time", stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].text for chunk in chunks) == f"You said: {stand.decorated('Once upon a time')}"
    assert stand.settle().record["usage"]["source"] == "provider"


def test_embeddings_come_as_base64_by_default(stand, client):
    answer = client.embeddings.create(model=EMBED, input=["one", "two"])
    settled = stand.settle()
    assert '"encoding_format":"base64"' in settled.upstream[0]["body"]
    assert [len(entry.embedding) for entry in answer.data] == [256, 256]
    floats = client.embeddings.create(model=EMBED, input=["one", "two"], encoding_format="float")
    for decoded, plain in zip(answer.data, floats.data, strict=True):
        assert decoded.embedding == pytest.approx(plain.embedding, abs=1e-6)
    record = stand.settle().record
    assert record["operation"] == "embeddings"
    assert record["usage"]["prompt"] == floats.usage.prompt_tokens


def test_embeddings_of_tokens_with_fewer_dimensions(stand, client):
    answer = client.embeddings.create(model=EMBED, input=[[1, 2, 3], [4]], dimensions=8)
    assert [len(entry.embedding) for entry in answer.data] == [8, 8]
    stand.settle()


def test_a_text_is_moderated(stand, client):
    answer = client.moderations.create(model=MODERATE, input=["be kind", "kill it"])
    assert [result.flagged for result in answer.results] == [False, True]
    assert stand.settle().record["operation"] == "moderations"


def test_models_are_listed_without_asking_a_provider(stand, client):
    names = [model.id for model in client.models.list()]
    assert {INSTRUCT, EMBED, MODERATE, "house-model"} <= set(names)
    assert client.models.retrieve("house-model").id == "house-model"
    stand.settle(forwarded=False)
