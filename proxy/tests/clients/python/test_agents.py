"""Agent frameworks over chat completions and over responses, in front of providers that speak another dialect: a loop
with a tool, structured output, streams."""

import json

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from replay_stand import model
from running import KEY

from replay.heard import heard
from replay.recordings import recordings
from replay.said import said

pytestmark = pytest.mark.skipif(not recordings(), reason="../shared/recordings is absent")

QUESTION = "What is the capital of France?"
# A recording that calls a tool, the tool's name, and one that answers in a text.
LOOPS = {
    "gemini": (
        "openai_test_multiple_agent_tool_calls.0", "get_capital", "google_test_google_httpx_client_is_not_closed.0",
    ),
    "gemini-streamed": ("google_test_google_model_iter_stream.0", "get_capital", "basic_completion_stream_.0"),
    "anthropic": (
        "multimodal_tool_returns_test_multimodal_tool_return_matrix_tool_return_content-binary-video-anthropic_.0",
        "get_file", "messages_test_anthropic_message_stream_manager_with_events_with_content.0",
    ),
    "bedrock": (
        "bedrock_test_bedrock_media_kind_delivered_in_tool_result_mistral_document_.0", "get_file",
        "bedrock_test_bedrock_model_iter_stream.1",
    ),
}
# Recordings whose text is JSON, with its fields.
STRUCTURED = {
    "anthropic": "chat_with_schema_with_anthropic_claude-haiku-4-5_allows_removing_schema_mid-conversation.0",
    "gemini": "google_test_google_decimal_native_output.0",
    "bedrock": "bedrock_test_bedrock_zai_native_output.0",
}


class Bob(BaseModel):
    name: str
    age: int


class Money(BaseModel):
    amount: float


class Place(BaseModel):
    city: str
    country: str


SHAPES = {"anthropic": Bob, "gemini": Money, "bedrock": Place}


@pytest.fixture(params=LOOPS)
def loop(request):
    first, name, second = LOOPS[request.param]
    return recordings()[first], name, recordings()[second]


@pytest.fixture(params=["chat", "responses"])
def frameworks(request, replay_stand):
    return Frameworks(replay_stand, request.param == "responses")


class Frameworks:
    """The models of both, over one of the APIs. Where nobody keeps the answers, they are sent back whole."""

    def __init__(self, stand, responses: bool):
        self.stand, self.responses = stand, responses

    def langchain(self, *answers) -> ChatOpenAI:
        options = {"use_responses_api": True, "store": False} if self.responses else {"stream_usage": True}
        url = f"{self.stand.url}/v1"
        return ChatOpenAI(model=model(*answers), base_url=url, api_key=KEY, max_retries=0, **options)

    def pydantic(self, *answers) -> OpenAIChatModel | OpenAIResponsesModel:
        provider = OpenAIProvider(base_url=f"{self.stand.url}/v1", api_key=KEY)
        kind = OpenAIResponsesModel if self.responses else OpenAIChatModel
        return kind(model(*answers), provider=provider)


def check_loop(stand, first, name: str, result: str) -> None:
    """Two calls: the second has the first one's call, with its arguments, and what the tool said."""
    (begun, gone_on), _ = stand.settle(calls=2)
    assert heard(first.api, begun.body).tools.keys() == {name}
    again = heard(first.api, gone_on.body)
    assert again.calls == said(first).calls
    assert [json_or_text(one) for one in again.results] == [result]


def json_or_text(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_langchain_agent_uses_its_tool(replay_stand, frameworks, loop, stream):
    first, name, second = loop
    seen = []

    @tool(name)
    def answer(country: str = "nowhere") -> str:
        """Tells what was asked for."""
        seen.append(country)
        return f"Told of {country}."

    agent = create_agent(frameworks.langchain(first, second), [answer])
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    if stream:
        pieces = list(agent.stream(asked, stream_mode="messages"))
        last = pieces[-1][0].id
        text = "".join(piece.text for piece, _ in pieces if piece.id == last)
    else:
        text = agent.invoke(asked)["messages"][-1].text
    assert text == said(second).text
    ((_, arguments),) = said(first).calls
    assert seen == [arguments.get("country", "nowhere")]
    check_loop(replay_stand, first, name, f"Told of {seen[0]}.")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_pydantic_ai_agent_uses_its_tool(replay_stand, frameworks, loop, stream):
    first, name, second = loop
    seen = []

    def answer(country: str = "nowhere") -> str:
        """Tells what was asked for."""
        seen.append(country)
        return f"Told of {country}."

    agent = Agent(frameworks.pydantic(first, second))
    agent.tool_plain(answer, name=name)
    if stream:
        run = agent.run_stream_sync(QUESTION)
        text, used = run.get_output(), run.usage
    else:
        run = agent.run_sync(QUESTION)
        text, used = run.output, run.usage
    assert text == said(second).text
    wanted = [said(first).usage, said(second).usage]
    assert (used.input_tokens, used.output_tokens) == (sum(u.input for u in wanted), sum(u.output for u in wanted))
    check_loop(replay_stand, first, name, f"Told of {seen[0]}.")


@pytest.mark.parametrize("provider", STRUCTURED)
def test_langchain_gets_an_object(replay_stand, frameworks, provider):
    recording, shape = recordings()[STRUCTURED[provider]], SHAPES[provider]
    asking = frameworks.langchain(recording).with_structured_output(shape, method="json_schema")
    assert asking.invoke(QUESTION) == shape.model_validate_json(said(recording).text)
    asked, _ = replay_stand.settle()
    assert heard(recording.api, asked.body).fields == sorted(shape.model_fields)


@pytest.mark.parametrize("provider", STRUCTURED)
def test_pydantic_ai_gets_an_object(replay_stand, frameworks, provider):
    recording, shape = recordings()[STRUCTURED[provider]], SHAPES[provider]
    agent = Agent(frameworks.pydantic(recording), output_type=NativeOutput(shape))
    assert agent.run_sync(QUESTION).output == shape.model_validate_json(said(recording).text)
    asked, _ = replay_stand.settle()
    assert heard(recording.api, asked.body).fields == sorted(shape.model_fields)
