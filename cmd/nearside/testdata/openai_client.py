"""Asks nearside with the official OpenAI client, as any app would.

Argument: the base URL. Behind it are the default local model, a fake cloud that
works (cloud/first) and one that always answers 503 (cloud/second).
"""

import json
import sys

import openai

calls = []
client = openai.OpenAI(
    base_url=sys.argv[1],
    api_key="any key",
    http_client=openai.DefaultHttpxClient(event_hooks={"request": [calls.append]}),
)
chat = client.chat.completions
PARIS = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
USE_TOOL = [{"role": "user", "content": "Please call get_weather."}]


def plain():
    answer = chat.create(model="auto", messages=PARIS)
    assert "Paris" in answer.choices[0].message.content, answer
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0, answer
    assert answer.object == "chat.completion" and answer._request_id, answer


def streaming():
    chunks = list(chat.create(model="local", messages=PARIS, stream=True))
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert "Paris" in text, text
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"], chunks
    assert len({c.id for c in chunks}) == 1 and all(c.usage is None for c in chunks), chunks


def usage():
    for model in "local", "cloud":
        *chunks, last = chat.create(model=model, messages=PARIS, stream=True, stream_options={"include_usage": True})
        assert all(len(c.choices) == 1 and c.usage is None for c in chunks), chunks
        assert last.choices == [] and last.usage.completion_tokens > 0, last


def tools():
    answer = chat.create(model="cloud", messages=USE_TOOL, tools=[WEATHER])
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls", answer
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments), call
    follow = USE_TOOL + [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert chat.create(model="cloud", messages=follow, tools=[WEATHER]).choices[0].message.content


def streamed_tools():
    with chat.stream(model="cloud", messages=USE_TOOL, tools=[WEATHER]) as stream:
        answer = stream.get_final_completion()
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls", answer
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments), call


def formats():
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    local = chat.create(model="local", messages=PARIS, response_format=shape, max_tokens=100)
    assert list(json.loads(local.choices[0].message.content)) == ["city"], local
    in_json = [{"role": "user", "content": "Name three rivers as json."}]
    cloud = chat.create(model="cloud", messages=in_json, response_format={"type": "json_object"})
    assert isinstance(json.loads(cloud.choices[0].message.content), dict), cloud


def logprobs():
    answer = chat.create(model="local", messages=PARIS, logprobs=True, top_logprobs=2)
    first = answer.choices[0].logprobs.content[0]
    assert first.logprob <= 0 and len(first.top_logprobs) == 2, first
    assert chat.create(model="local", messages=PARIS).choices[0].logprobs is None


def embeddings():
    packed = client.embeddings.create(model="auto", input=["one", "two"])  # the client asks for base64
    floats = client.embeddings.create(model="auto", input=["one", "two"], encoding_format="float")
    assert len(packed.data) == 2 and packed.usage.prompt_tokens > 0, packed
    for one, other in zip(packed.data, floats.data):
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding, strict=True)), (one, other)
    assert len(client.embeddings.create(model="auto", input="one", dimensions=4).data[0].embedding) == 4


def headers():
    raw = chat.with_raw_response.create(model="auto", messages=PARIS, seed=7)
    assert "Paris" in raw.parse().choices[0].message.content
    got = {name: raw.headers.get("x-nearside-" + name) for name in ("route", "target", "reason", "attempts")}
    assert got == {"route": "local", "target": "local/smollm2-135m", "reason": "local_first", "attempts": "1"}, got
    for name in "x-nearside-decision", "x-nearside-model", "x-nearside-policy", "x-nearside-cache", "server-timing", "x-request-id":
        assert raw.headers.get(name), (name, raw.headers)
    own = chat.with_raw_response.create(model="cloud", messages=PARIS, extra_headers={"x-request-id": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1" and own.headers["x-nearside-route"] == "cloud", own.headers


def models():
    ids = [m.id for m in client.models.list()]
    assert ids[:4] == ["auto", "local", "cloud", "private"] and {"local/smollm2-135m", "cloud/first"} <= set(ids), ids
    assert client.models.retrieve("local/smollm2-135m").id == "local/smollm2-135m"


def fails(kind, status, code, param, act):
    """act fails as it should, and the client asks once only."""
    calls.clear()
    try:
        act()
    except openai.APIStatusError as error:
        got = (type(error), error.status_code, error.code, error.param)
        assert got == (kind, status, code, param), (got, error)
        assert error.request_id and error.response.headers["x-should-retry"] == "false", error.response.headers
    else:
        raise AssertionError(f"no error of {kind}")
    assert len(calls) == 1, f"asked {len(calls)} times for {status} {code}"


def errors():
    def ask(**fields):
        return lambda: chat.create(**{"model": "auto", "messages": PARIS, **fields})

    private = {"x-nearside-privacy": "private"}
    fails(openai.BadRequestError, 400, None, "temperature", ask(temperature=-1))
    fails(openai.BadRequestError, 400, None, "messages", ask(messages=[]))
    fails(openai.BadRequestError, 400, None, "x-nearside-mode", ask(extra_headers={"x-nearside-mode": "moon"}))
    fails(openai.NotFoundError, 404, "model_not_found", "model", ask(model="gpt-9"))
    fails(openai.NotFoundError, 404, "model_not_found", "model", lambda: client.models.retrieve("gpt-9"))
    fails(openai.PermissionDeniedError, 403, "origin_refused", None, ask(extra_headers={"origin": "https://evil.example"}))
    fails(openai.UnprocessableEntityError, 422, "policy_blocked", None, ask(model="cloud", extra_headers=private))
    fails(openai.InternalServerError, 502, "upstream_error", None, ask(model="cloud/second"))
    fails(openai.InternalServerError, 504, "only_if_cached", None, ask(extra_headers={"cache-control": "only-if-cached"}, seed=1234))


for check in plain, streaming, usage, tools, streamed_tools, formats, logprobs, embeddings, headers, models, errors:
    check()
    print("ok", check.__name__)
