// What Vercel's AI SDK makes of a gateway: arguments are the provider package, the base URL, a key and models; prints
// one JSON.  `@ai-sdk/openai` speaks the Responses API unless it is told `.chat`.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [kind, baseURL, apiKey, ...models] = process.argv.slice(2);
const PACKAGES = {
  openai: (apiKey) => createOpenAI({ baseURL, apiKey }).chat,
  compatible: (apiKey) => createOpenAICompatible({ name: "gapura", baseURL, apiKey, includeUsage: true }),
};
const prompt = "Selamat pagi";
const ways = { maxRetries: 0, prompt };

async function trial(model) {
  const calls = [];
  const weather = tool({
    description: "Tells the weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async (given) => {
      calls.push(given);
      return "24 degrees";
    },
  });
  const plain = await generateText({ model, ...ways });
  const streamed = streamText({ model, ...ways });
  const pieces = [];
  for await (const piece of streamed.textStream) pieces.push(piece);
  const after = await generateText({ model, ...ways, tools: { weather }, stopWhen: stepCountIs(2) });
  return {
    plain: plain.text,
    tokens: [plain.usage.totalTokens, (await streamed.usage).totalTokens],
    pieces,
    called_with: calls[0],
    after_the_call: after.text,
  };
}

async function refusal() {
  try {
    await generateText({ model: PACKAGES[kind]("sk-wrong")(models[0]), ...ways });
  } catch (error) {
    return [error.name, error.statusCode];
  }
}

const found = {};
for (const name of models) found[name] = await trial(PACKAGES[kind](apiKey)(name));
console.log(JSON.stringify({ models: found, refused: await refusal() }));
