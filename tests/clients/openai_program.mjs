// What OpenAI's SDK for Node makes of a gateway: arguments are its base URL, a key and models; prints one JSON.

import OpenAI from "openai";

const [baseURL, apiKey, ...models] = process.argv.slice(2);
const question = { role: "user", content: "Selamat pagi" };
const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "Tells the weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

async function trial(model) {
  const ask = (messages, more = {}) => client.chat.completions.create({ model, messages, ...more });
  const plain = await ask([question]);
  const chunks = [];
  for await (const chunk of await ask([question], { stream: true, stream_options: { include_usage: true } })) {
    chunks.push(chunk);
  }
  const asked = (await ask([question], { tools: [weather] })).choices[0].message;
  const call = asked.tool_calls[0];
  const result = { role: "tool", tool_call_id: call.id, content: "24 degrees" };
  const after = await ask([question, asked, result], { tools: [weather] });
  return {
    plain: plain.choices[0].message.content,
    tokens: [plain.usage.total_tokens, chunks.at(-1).usage.total_tokens],
    pieces: chunks.filter((chunk) => chunk.choices.length).map((chunk) => chunk.choices[0].delta.content ?? ""),
    called_with: JSON.parse(call.function.arguments),
    after_the_call: after.choices[0].message.content,
  };
}

async function refusal() {
  try {
    await new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 }).models.list();
  } catch (error) {
    return [error.constructor.name, error.status, error.code];
  }
}

const found = {};
for (const model of models) found[model] = await trial(model);
console.log(JSON.stringify({ models: found, refused: await refusal() }));
