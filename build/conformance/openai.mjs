// The official OpenAI client for Node.
import assert from "node:assert/strict";
import { base, counted, fails, load, paris, place, run } from "./checks.mjs";

const OpenAI = load("openai").default;
const count = counted();
const client = new OpenAI({ baseURL: base, apiKey: "any", fetch: count.fetch });
const chat = client.chat.completions;
const ask = (fields) => chat.create({ model: "auto", messages: [{ role: "user", content: paris }], ...fields });
const weather = { type: "function", function: { name: "get_weather", strict: true, parameters: place } };
const callIt = [{ role: "user", content: "Please call get_weather." }];

await run({
  async plain() {
    const { data, response } = await ask().withResponse();
    assert.match(data.choices[0].message.content, /Paris/);
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
    assert.equal(response.headers.get("x-nearside-target"), "cloud/first");
    assert.ok(data._request_id);
  },

  async stream() {
    const chunks = [];
    for await (const c of await ask({ stream: true, stream_options: { include_usage: true } })) chunks.push(c);
    const last = chunks.pop();
    assert.ok(last.usage.total_tokens > 0 && last.choices.length === 0);
    assert.match(chunks.map((c) => c.choices[0].delta.content ?? "").join(""), /Paris/);
    const ends = chunks.map((c) => c.choices[0].finish_reason);
    assert.deepEqual(ends, [...Array(ends.length - 1).fill(null), "stop"]);
  },

  async leaving() {
    const stream = await ask({ stream: true });
    for await (const _ of stream) break;
    assert.ok(stream.controller.signal.aborted);
    assert.match((await ask()).choices[0].message.content, /Paris/);
  },

  async tools() {
    const first = await ask({ messages: callIt, tools: [weather] });
    const call = first.choices[0].message.tool_calls[0];
    assert.equal(first.choices[0].finish_reason, "tool_calls");
    assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
    const result = { role: "tool", tool_call_id: call.id, content: "sunny" };
    const second = await ask({ messages: [...callIt, first.choices[0].message, result], tools: [weather] });
    assert.equal(second.choices[0].finish_reason, "stop");
  },

  async toolLoop() {
    const seen = [];
    const runTool = { ...weather.function, function: (args) => (seen.push(args.city), "sunny"), parse: JSON.parse };
    const runner = chat.runTools({ model: "auto", messages: callIt, stream: true, tools: [{ type: "function", function: runTool }] });
    assert.ok(await runner.finalContent());
    assert.equal(typeof seen[0], "string");
  },

  async schema() {
    const format = { type: "json_schema", json_schema: { name: "place", strict: true, schema: place } };
    const answer = await chat.parse({ model: "auto", messages: [{ role: "user", content: paris }], response_format: format });
    assert.deepEqual(Object.keys(answer.choices[0].message.parsed).sort(), ["city", "people"]);
  },

  async embeddings() {
    const embed = (fields) => client.embeddings.create({ model: "auto", input: [paris, "two"], ...fields });
    const packed = await embed(); // the client asks for base64
    const floats = await embed({ encoding_format: "float" });
    assert.equal(packed.data.length, 2);
    packed.data.forEach((d, i) => d.embedding.forEach((v, j) => assert.ok(Math.abs(v - floats.data[i].embedding[j]) < 1e-6)));
    assert.equal((await embed({ dimensions: 4 })).data[1].embedding.length, 4);
    assert.ok(packed.usage.prompt_tokens > 0);
  },

  async models() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert.ok(ids.includes("auto") && ids.includes("cloud/first"), ids);
    assert.equal((await client.models.retrieve("cloud/first")).id, "cloud/first");
  },

  async errors() {
    const bad = await fails(count, 400, () => ask({ temperature: -1 }));
    assert.ok(bad instanceof OpenAI.BadRequestError && bad.param === "temperature", bad);
    const unknown = await fails(count, 404, () => ask({ model: "gpt-9" }));
    assert.ok(unknown instanceof OpenAI.NotFoundError && unknown.code === "model_not_found", unknown);
    const private_ = { headers: { "x-nearside-privacy": "private" } };
    const kept = await fails(count, 422, () => chat.create({ model: "cloud", messages: callIt }, private_));
    assert.ok(kept instanceof OpenAI.UnprocessableEntityError && kept.code === "policy_blocked", kept);
    const down = await fails(count, 502, () => ask({ model: "cloud/second", stream: true }));
    assert.ok(down instanceof OpenAI.InternalServerError && down.code === "upstream_error", down);
    assert.ok(down.requestID);
  },
});
