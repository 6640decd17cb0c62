// Golden cases that do not hold say where.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { holdCase } from "../src/cases.ts";
import { type Adapter, type Json, Request } from "../src/index.ts";

let asked = 0;

const toy: Adapter = {
  describe: () => assert.fail("no case asks for it"),

  /** Answers otherwise every time, as none may. */
  checkConfig: () => [{ at: "", message: String(asked++) }],

  provision(flow) {
    const response = flow.ask("put", Request.put("/thing").json({ a: 1, b: 2 }));
    if (!response.isSuccess) {
      flow.again("busy", "later");
    }
    if (flow.wait({ seconds: 5 }).is === "elapsed") {
      flow.waitOn({ seconds: 7 });
    }
  },

  readNotification: () => ({
    reply: { status: 202, body: Uint8Array.of(1, 2) },
    signals: [{ correlation: { iAccount: "189" }, payload: { state: "up" }, otherwise: "begin" }],
  }),
};

const AT = "2026-01-31T08:00:00Z";
const PUT = {
  send: {
    label: "put",
    method: "PUT",
    path: "/thing",
    headers: [{ name: "content-type", value: "application/json" }],
    body: { text: '{ "b": 2, "a": 1 }' },
    delivery: "repeatable",
  },
};
const AGAIN = { again: { code: "busy", message: "later" } };
const WAIT = { wait: { seconds: 5, forget: false, "gives-way": false } };
const WAIT_ON = { wait: { seconds: 7, forget: true, "gives-way": false } };
const NOTIFIED = { notified: {} };

type Case = Record<string, Json>;

function put(status: number): Json {
  return { exchanged: { label: "put", outcome: { answered: { status, body: "empty" } } } };
}

/** A case of these decisions, each with what happens then, and of the last one. */
function life(steps: [Json, Json][], last: Json): Case {
  const event = { id: "1", name: "Account/New", variables: {}, enclosed: {}, "received-at": AT };
  const operation = {
    id: "1",
    group: "HSS",
    "i-account": "189",
    began: AT,
    event,
    wanted: "running",
    config: {},
  };
  const before = steps.map(([decision, what]) => ({ expect: { decision }, then: { at: AT, what } }));
  return {
    about: "A life.",
    ask: "provision",
    operation,
    steps: [...before, { expect: { decision: last } }],
  };
}

function notice(expect: Json): Case {
  const notification = { method: "POST", path: "/", body: { json: {} }, "received-at": AT };
  return { about: "A notice.", ask: "read-notification", config: {}, notification, expect };
}

function errand(ask: string, more: Case): Case {
  return { about: "An errand.", ask, config: {}, ...more };
}

/** What the run of one case says when it does not hold. */
function complaint(given: Case, adapter = toy): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "case-"));
  const file = join(folder, "case.json");
  writeFileSync(file, JSON.stringify(given));
  try {
    holdCase(adapter, file);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a whole life holds", () => {
  const steps: [Json, Json][] = [
    [PUT, put(503)],
    [AGAIN, put(503)],
    [AGAIN, put(200)],
    [WAIT, "elapsed"],
    [WAIT_ON, "elapsed"],
    [WAIT_ON, NOTIFIED],
  ];
  assert.equal(complaint(life(steps, "finish")), undefined);
});

test("what differs is named by step and place", () => {
  const expected = { send: { ...PUT.send, path: "/other", body: { json: { a: 3, b: 2 } } } };
  const said = complaint(life([], expected)) ?? "";
  for (const part of [
    "A life.",
    "step 1:",
    '/decision/send/path: expected "/other", answered "/thing"',
    "/decision/send/body/json/a: expected 3, answered 1",
  ]) {
    assert.ok(said.includes(part), `${part} in ${said}`);
  }
  assert.ok(!said.includes("/json/b"), said);
});

test("what cannot happen is no case", () => {
  const ways: [[Json, Json][], RegExp][] = [
    [[[PUT, "elapsed"]], /step 1:\s+`then` cannot follow/],
    [
      [
        [PUT, put(200)],
        [WAIT, put(200)],
      ],
      /step 2:\s+`then` cannot follow/,
    ],
    [[[PUT, "elapsd"]], /not a case\s+\/steps\/0\/then\/what must be exchanged or notified or elapsed/],
  ];
  for (const [steps, says] of ways) {
    assert.match(complaint(life(steps, "finish")) ?? "", says);
  }
});

test("a name that nobody knows is no case", () => {
  assert.match(complaint({ ...life([], PUT), stpes: [] }) ?? "", /not a case\s+\/stpes must be gone/);
  assert.match(
    complaint({ ...life([], PUT), ask: "provide" }) ?? "",
    /not a case\s+\/ask must be provision or/,
  );
});

test("an answer that depends on more than the question is found", () => {
  asked = 0;
  const given = { about: "A check.", ask: "check-config", config: {}, expect: [{ at: "", message: "0" }] };
  assert.match(complaint(given) ?? "", /asked a second time, it answers otherwise/);
});

test("to say that nothing stands is not to say nothing", () => {
  const nothing: Adapter = { ...toy, provision: (flow) => flow.nothingApplied() };
  const given = life([], "finish");
  assert.match(complaint(given, nothing) ?? "", /\/applied: expected nothing, answered null/);
  const steps = [{ expect: { decision: "finish", applied: null } }];
  assert.equal(complaint({ ...given, steps }, nothing), undefined);
});

test("a notification is read into signals", () => {
  const signal = { correlation: { "i-account": "189" }, payload: { state: "up" }, otherwise: "begin" };
  const expect = { reply: { status: 202, body: { bytes: [1, 2] } }, signals: [signal] };
  assert.equal(complaint(notice(expect)), undefined);
});

test("what the component could not hand over is no answer", () => {
  const signals = [
    { correlation: { key: 7 as unknown as string }, payload: null, otherwise: "keep" as const },
  ];
  const wrong: Adapter = { ...toy, readNotification: () => ({ reply: { status: 204 }, signals }) };
  const given = notice({ reply: { status: 204, body: "empty" } });
  assert.match(complaint(given, wrong) ?? "", /\/signals\/0\/correlation\/key must be a text/);
});

test("an errand is for an adapter that has it", () => {
  const steps = [{ expect: { ready: { value: null } } }];
  assert.match(complaint(errand("log-in", { steps })) ?? "", /this adapter has no `logIn`/);
  assert.match(complaint(errand("register-at", { steps })) ?? "", /\/address must be a text/);
  const registers: Adapter = {
    ...toy,
    unregister: () => {},
    registerAt: (_, __, address) => ({ value: address }),
  };
  assert.equal(complaint(errand("unregister", { standing: {}, steps }), registers), undefined);
  const there = { address: "/a", steps: [{ expect: { ready: { value: "/a" } } }] };
  assert.equal(complaint(errand("register-at", there), registers), undefined);
});
