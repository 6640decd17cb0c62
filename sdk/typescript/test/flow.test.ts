// The flow, as an adapter's author meets it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Adapter, Applied, type Flow, logIn, Request } from "../src/index.ts";
import { answered, asks, elapsed, notified, told, unknown } from "./stories.ts";

/** Creates, looks when nobody knows, waits for the word of the system. */
function create(flow: Flow): void {
  flow.applied({ asked: true });
  if (flow.act("create", Request.post("/things")).is === "unknown") {
    flow.ask("find", Request.get("/things"));
  }
  flow.key("thing-1");
  flow.report("in-progress");
  const woken = flow.wait({ seconds: 30, givesWay: true });
  if (woken.is === "elapsed" || woken.payload !== "done") {
    flow.waitOn({ seconds: 60 });
  }
  assert.equal(flow.now(), "2026-01-31T08:00:20Z");
  assert.equal(flow.age(), 20);
  flow.reportFor("PCRF", "ok", "as wanted");
  flow.nothingApplied();
}

test("code that is run again goes on where it was", () => {
  const history = [unknown("create"), answered("find"), notified("done")];

  let progress = told(create);
  assert.deepEqual(asks(progress), ["create", "at-most-once"]);
  assert.deepEqual(progress.applied, { asked: true });

  progress = told(create, history.slice(0, 1));
  assert.deepEqual(asks(progress), ["find", "repeatable"]);
  assert.equal(progress.applied, undefined, "what was said before went with what was sent before");

  progress = told(create, history.slice(0, 2));
  assert.deepEqual(progress.decision, { wait: { seconds: 30, forget: false, givesWay: true } });
  assert.deepEqual(progress.keys, ["thing-1"]);
  assert.equal(progress.reports.length, 1);

  progress = told(create, history);
  assert.equal(progress.decision, "finish");
  assert.equal(progress.applied, null);
  assert.equal(progress.reports[0]?.group, "PCRF");
  assert.deepEqual(progress.keys, []);
});

test("a wait without news is forgotten", () => {
  for (const nothingNew of [elapsed(), notified("still at it")]) {
    const { decision } = told(create, [answered("create"), nothingNew]);
    assert.deepEqual(decision, { wait: { seconds: 60, forget: true, givesWay: false } });
  }
});

/** Takes no stop for an answer. */
function deaf(flow: Flow): void {
  for (const label of ["first", "second"]) {
    flow.applied(label);
    swallow(() => flow.ask(label, Request.get("/")));
  }
  swallow(() => flow.park("deaf", "never heard"));
}

function swallow(call: () => unknown): unknown {
  try {
    return call();
  } catch (swallowed) {
    return swallowed;
  }
}

test("a stop that was swallowed stops all the same", () => {
  const progress = told(deaf);
  assert.deepEqual(asks(progress), ["first", "repeatable"]);
  assert.equal(progress.applied, "first");

  assert.deepEqual(asks(told(deaf, [answered("first")])), ["second", "repeatable"]);
});

test("every later call throws the same stop", () => {
  told((flow) => {
    const stops = [
      swallow(() => flow.ask("first", Request.get("/"))),
      swallow(() => flow.act("second", Request.get("/"))),
      swallow(() => flow.wait()),
      swallow(() => flow.waitOn()),
      swallow(() => flow.again("a", "")),
      swallow(() => flow.ignore("")),
    ];
    assert.equal(new Set(stops).size, 1);
  });
});

test("a divergence that was swallowed is one all the same", () => {
  assert.throws(() => told(deaf, [answered("another")]), /has "another" where the flow sends "first"/);
});

test("every way to end says so", () => {
  const trouble = { code: "c", message: "m" };
  assert.deepEqual(told((flow) => flow.ignore("why")).decision, { ignore: "why" });
  assert.deepEqual(told((flow) => flow.park("c", "m")).decision, { park: trouble });
  assert.deepEqual(told((flow) => flow.again("c", "m")).decision, { again: trouble });
  assert.deepEqual(told((flow) => flow.renew("c", "m")).decision, { renew: trouble });
  assert.equal(told(() => {}).decision, "finish");
});

test("another way than that of the history is a divergence", () => {
  const ways = [
    [create, [answered("remove")], 'diverged: the history has "remove" where the flow sends "create"'],
    [create, [elapsed()], "diverged: the history has a wait that elapsed where the flow sends"],
    [
      create,
      [answered("create"), answered("create")],
      'diverged: the history has "create" where the flow waits',
    ],
    [
      create,
      [answered("create"), notified("done"), notified("done")],
      "diverged: the history has a notification where the flow finishes",
    ],
    [deaf, [unknown("first")], '"first" unanswered where the flow asks'],
  ] as const;
  for (const [story, history, says] of ways) {
    assert.throws(
      () => told(story, [...history]),
      (error: Error) => error.message.includes(says),
      says,
    );
  }
});

test("what must not be sent twice is not forgotten", () => {
  const forgetful = (flow: Flow) => {
    flow.wait();
    flow.act("create", Request.post("/things"));
    swallow(() => flow.waitOn());
  };
  assert.throws(() => told(forgetful, [elapsed(), answered("create")]), /cannot be forgotten/);
});

test("a message is cut at what PortaBilling takes", () => {
  const { reports } = told((flow) => flow.report("failed", "𝄞".repeat(5_000)));
  assert.equal([...(reports[0]?.message ?? "")].length, 4_000);
});

test("an error of the adapter's own is no stop", () => {
  const faulty = () => {
    throw new RangeError("too much");
  };
  assert.throws(() => told(faulty), RangeError);
});

test("what is asynchronous, and the stop of another flow, are refused", () => {
  assert.throws(() => told(async () => {}), /must not be async/);
  let other: Flow | undefined;
  told((flow) => void (other = flow));
  assert.throws(() => told(() => other?.park("c", "m")), /another flow/);
});

test("what is applied is as it was when it was said", () => {
  const stands = { id: "1" };
  const { applied } = told((flow) => {
    flow.applied(stands);
    stands.id = "2";
  });
  assert.deepEqual(applied, { id: "1" });
});

test("what stands is said when it is news", () => {
  const said = (id: string | null) => {
    return told((flow) => {
      const standing = new Applied<{ id: string | null }>({ id: "1" }, { id: null });
      standing.stands.id = id;
      standing.say(flow);
    }).applied;
  };
  assert.deepEqual([said("1"), said("2"), said(null)], [undefined, { id: "2" }, null]);
});

test("an errand goes on where it was, too", () => {
  const adapter: Adapter = {
    describe: () => assert.fail(),
    checkConfig: () => [],
    provision: () => {},
    readNotification: () => assert.fail(),
    logIn(errand) {
      const response = errand.ask("log-in", Request.post("/login"));
      const session = response.text() ?? errand.fail("no-session", "none");
      return { value: { session }, seconds: 60 };
    },
  };
  const move = (body?: string) => logIn(adapter, {}, [answered("log-in", body)]);
  assert.ok("send" in logIn(adapter, {}, []));
  assert.deepEqual(move("s-1"), { ready: { value: { session: "s-1" }, seconds: 60 } });
  assert.deepEqual(move(), { fail: { code: "no-session", message: "none" } });
  assert.throws(() => logIn(adapter, {}, [answered("log-in", "1"), answered("more")]), /comes to an end/);
});
