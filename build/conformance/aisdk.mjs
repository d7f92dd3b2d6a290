// The Vercel AI SDK with its provider for whatever speaks like OpenAI.
import assert from "node:assert/strict";
import { base, counted, fails, load, paris, run } from "./checks.mjs";

const { embed, embedMany, generateText, generateObject, streamText, streamObject, tool, stepCountIs } = load("ai");
const { createOpenAICompatible } = load("@ai-sdk/openai-compatible");
const { z } = load("zod");

const count = counted();
const nearside = createOpenAICompatible({
  name: "nearside", baseURL: base, apiKey: "any", fetch: count.fetch, includeUsage: true, supportsStructuredOutputs: true,
});
const auto = nearside("auto");
const schema = z.object({ city: z.string(), people: z.number().int() });
const tools = {
  get_weather: tool({ description: "The weather.", inputSchema: z.object({ city: z.string() }), execute: async () => "sunny" }),
};

await run({
  async plain() {
    const answer = await generateText({ model: auto, prompt: paris });
    assert.match(answer.text, /Paris/);
    assert.equal(answer.finishReason, "stop");
    assert.ok(answer.usage.totalTokens > 0);
    assert.equal(answer.response.headers["x-nearside-target"], "cloud/first");
  },

  async stream() {
    const answer = streamText({ model: auto, prompt: paris });
    let text = "";
    for await (const piece of answer.textStream) text += piece;
    assert.match(text, /Paris/);
    assert.equal(await answer.finishReason, "stop");
    assert.ok((await answer.usage).totalTokens > 0);
  },

  async tools() {
    const prompt = "Please call get_weather.";
    const answer = await generateText({ model: auto, prompt, tools, stopWhen: stepCountIs(3) });
    assert.deepEqual(answer.steps.map((s) => s.finishReason), ["tool-calls", "stop"]);
    const streamed = streamText({ model: auto, prompt, tools, stopWhen: stepCountIs(3) });
    await streamed.consumeStream();
    assert.equal((await streamed.steps)[0].toolResults[0].output, "sunny");
    assert.ok(await streamed.text);
  },

  async schema() {
    const { object } = await generateObject({ model: auto, schema, prompt: paris });
    assert.equal(typeof object.city, "string");
    const streamed = streamObject({ model: auto, schema, prompt: paris });
    for await (const _ of streamed.partialObjectStream);
    assert.deepEqual(Object.keys(await streamed.object).sort(), ["city", "people"]);
  },

  async embeddings() {
    const model = nearside.embeddingModel("auto");
    const { embeddings, usage } = await embedMany({ model, values: [paris, "two"] });
    assert.ok(embeddings.length === 2 && embeddings[0].length > 1 && usage.tokens > 0);
    assert.deepEqual((await embed({ model, value: paris })).embedding, embeddings[0]);
  },

  async errors() {
    const ask = (model, fields) => generateText({ model: nearside(model), prompt: paris, maxRetries: 0, ...fields });
    await fails(count, 400, () => ask("auto", { temperature: -1 }));
    const unknown = await fails(count, 404, () => ask("gpt-9", { maxRetries: 2 }));
    assert.match(unknown.message, /gpt-9/);
    await fails(count, 502, () => ask("cloud/second"));
  },
});
