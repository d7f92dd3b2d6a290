// What the scripts beside this one share. They are called with the base URL of
// a daemon and the folder that has the clients of package-lock.json; behind the
// daemon are a fake cloud that works, cloud/first, and one that answers 503 to
// everything, cloud/second.
import { createRequire } from "node:module";
import { join } from "node:path";

export const base = process.argv[2];

// load is a package of that folder.
export const load = createRequire(join(process.argv[3], "package.json"));

export const paris = "What is the capital of France?";
export const place = {
  type: "object",
  properties: { city: { type: "string" }, people: { type: "integer" } },
  required: ["city", "people"],
  additionalProperties: false,
};

// counted is a fetch that counts its calls, to see who tries again.
export function counted() {
  const count = { calls: 0, headers: null };
  count.fetch = async (...args) => {
    count.calls++;
    const reply = await fetch(...args);
    count.headers = reply.headers;
    return reply;
  };
  return count;
}

// fails awaits that act fails with the status, after one call.
export async function fails(count, status, act) {
  count.calls = 0;
  let error;
  try {
    await act();
  } catch (e) {
    error = e;
  }
  const got = error?.status ?? error?.statusCode;
  if (got !== status) throw new Error(`failed with ${got}, want ${status}: ${error?.stack}`);
  if (count.calls !== 1) throw new Error(`asked ${count.calls} times for a ${status}`);
  if (count.headers.get("x-should-retry") !== "false") throw new Error(`no x-should-retry: false with ${status}`);
  return error;
}

// run makes the checks in their order and names each that holds.
export async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log("ok", name);
  }
}
