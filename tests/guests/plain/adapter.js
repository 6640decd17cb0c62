// An adapter without an SDK: the bare contract, as its bindings show it to JavaScript. A record is an
// object with names in camel case, a variant is {tag, val}, an enum is its word, JSON is text.

export const externalSystem = {
  describe() {
    return {
      name: "plain",
      version: "0.1.0",
      summary: "Puts one line for each account, without an SDK.",
      queries: ["account_info"],
      configSchema: JSON.stringify({ type: "object", required: ["path"] }),
      secrets: [],
      secretFields: [],
    };
  },

  checkConfig(config) {
    const { path } = JSON.parse(config);
    const isGood = typeof path === "string" && path.startsWith("/");
    return isGood ? [] : [{ at: "/path", message: "must be a path that begins with /" }];
  },

  // All that has happened is the history: without any, the request has not been sent yet.
  provision(operation, history) {
    const last = history.at(-1);
    if (last === undefined) {
      return progress({ tag: "send", val: put(operation) }, { applied: line(operation) });
    }
    if (last.what.tag !== "exchanged" || last.what.val.label !== "put-line") {
      throw new Error("diverged: the history has something else where a line is put");
    }
    const { tag, val } = last.what.val.outcome;
    if (tag === "answered" && val.status >= 200 && val.status < 300) {
      return progress({ tag: "finish" }, { reports: [{ status: "ok" }] });
    }
    const trouble = { code: "busy", message: `put-line: ${tag === "answered" ? val.status : val}` };
    return progress({ tag: "again", val: trouble });
  },

  readNotification() {
    return { reply: { status: 204, headers: [], body: { tag: "empty" } }, signals: [] };
  },
};

function line(operation) {
  return JSON.stringify({ account: operation.iAccount, wanted: operation.wanted });
}

function put(operation) {
  return {
    label: "put-line",
    method: "PUT",
    path: `${JSON.parse(operation.config).path}/${encodeURIComponent(operation.iAccount)}`,
    headers: [{ name: "content-type", value: "application/json" }],
    body: { tag: "text", val: line(operation) },
    delivery: "repeatable",
    fills: [],
  };
}

function progress(decision, said = {}) {
  return { decision, reports: [], keys: [], ...said };
}
