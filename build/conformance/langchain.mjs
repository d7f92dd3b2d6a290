// LangChain's ChatOpenAI.
import assert from "node:assert/strict";
import { base, counted, fails, load, paris, place, run } from "./checks.mjs";

const { ChatOpenAI, OpenAIEmbeddings } = load("@langchain/openai");
const { HumanMessage, ToolMessage } = load("@langchain/core/messages");
const { tool } = load("@langchain/core/tools");
const { z } = load("zod");

const count = counted();
const model = (fields) =>
  new ChatOpenAI({ model: "auto", apiKey: "any", maxRetries: 0, configuration: { baseURL: base, fetch: count.fetch }, ...fields });
const weather = tool(async () => "sunny", { name: "get_weather", description: "The weather.", schema: z.object({ city: z.string() }) });

// joined is the whole message of a stream that has more than one piece.
async function joined(stream) {
  const pieces = [];
  for await (const piece of await stream) pieces.push(piece);
  assert.ok(pieces.length > 1);
  return pieces.reduce((whole, piece) => whole.concat(piece));
}

await run({
  async plain() {
    const answer = await model().invoke(paris);
    assert.match(answer.content, /Paris/);
    assert.ok(answer.usage_metadata.total_tokens > 0);
    assert.equal(answer.response_metadata.finish_reason, "stop");
  },

  async stream() {
    const whole = await joined(model().stream(paris));
    assert.match(whole.content, /Paris/);
    assert.ok(whole.usage_metadata.total_tokens > 0, whole);
  },

  async batch() {
    const answers = await model().batch([paris, "What is the capital of Japan?"]);
    assert.match(answers[0].content, /Paris/);
    assert.match(answers[1].content, /Tokyo/);
  },

  async tools() {
    const able = model().bindTools([weather]);
    const asked = new HumanMessage("Please call get_weather.");
    for (const first of [await able.invoke([asked]), await joined(able.stream([asked]))]) {
      const call = first.tool_calls[0];
      assert.equal(call.name, "get_weather");
      const result = await weather.invoke(call);
      assert.ok(result instanceof ToolMessage);
      assert.ok((await able.invoke([asked, first, result])).content);
    }
  },

  async schema() {
    for (const method of ["jsonSchema", "functionCalling", "jsonMode"]) {
      const shaped = model().withStructuredOutput(place, { name: "place", method });
      const got = await shaped.invoke(paris + " Answer in JSON.");
      assert.equal(typeof got, "object");
      if (method !== "jsonMode") assert.equal(typeof got.city, "string"); // that one promises JSON and no more
    }
  },

  async embeddings() {
    const embed = new OpenAIEmbeddings({ model: "auto", apiKey: "any", maxRetries: 0, configuration: { baseURL: base } });
    const [one, two] = await embed.embedDocuments([paris, "two"]);
    assert.ok(one.length > 1 && one.length === two.length);
    assert.deepEqual(await embed.embedQuery(paris), one);
  },

  async errors() {
    const retrying = { maxRetries: 2 }; // it asks once all the same
    await fails(count, 400, () => model({ temperature: -1 }).invoke(paris));
    await fails(count, 404, () => model({ ...retrying, model: "gpt-9" }).invoke(paris));
    await fails(count, 502, () => model({ model: "cloud/second" }).invoke(paris));
  },
});
