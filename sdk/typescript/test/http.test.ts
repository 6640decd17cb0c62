// Requests, responses, and the JSON in them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isEqual, Notification, parseJson, printJson, Request, Response, Subscriber } from "../src/index.ts";

test("what is asked for is encoded", () => {
  const request = Request.get("/order").segment("a/b").query("externalId", "1&2 ü").query("x", "");
  assert.equal(request.path, "/order/a%2Fb?externalId=1%262%20%C3%BC&x=");
  assert.equal(Request.get("").segment("it's(!)*-._~").path, "/it%27s%28%21%29%2A-._~");
  assert.equal(Request.post("/").form({ user: "a b", password: "=&" }).body, "user=a%20b&password=%3D%26");
});

test("a request never changes", () => {
  const base = Request.put("/things").header("x", "1");
  const [one, two] = [base.segment("1").json({ a: 1 }), base.segment("2").fill("@@", "secret.a", "url")];
  assert.deepEqual([base.path, one.path, two.path], ["/things", "/things/1", "/things/2"]);
  assert.deepEqual([base.headers.length, one.headers.length, two.fills.length], [1, 2, 1]);
});

test("header names have no case", () => {
  const response = new Response(204, [{ name: "etag", value: "7" }]);
  assert.equal(response.header("ETag"), "7");
  assert.ok(response.isSuccess && response.json() === undefined);
});

test("bytes are text when they are UTF-8", () => {
  const notification = (...bytes: number[]) => new Notification("POST", "/", [], Uint8Array.from(bytes), "");
  assert.equal(notification(0x22, 0xc3, 0xbc, 0x22).json(), "ü");
  assert.equal(notification(0xc3).text(), undefined);
});

test("a whole number is never damaged", () => {
  const written =
    '{"imsi":310150123456789012,"list":[-9007199254740993,{}, [],1],"small":15550001111,"x":1e30}';
  const value = parseJson(written);
  assert.deepEqual(value, {
    imsi: 310150123456789012n,
    list: [-9007199254740993n, {}, [], 1],
    small: 15550001111,
    x: 1e30,
  });
  assert.equal(printJson(value), written.replace(", []", ",[]").replace("1e30", "1e+30"));
});

test("JSON with long texts is read as it is without", () => {
  const long = {
    'a"b\\': "1234567890123456789",
    other: [true, null, "{,}"],
    nested: { deep: [[1.5]], no: {} },
  };
  assert.deepEqual(parseJson(JSON.stringify(long, null, 2)), long);
  assert.throws(() => parseJson('{"a": 1234567890123456789,}'), SyntaxError);
  assert.ok(Object.hasOwn(parseJson('{"__proto__": 1234567890123456789}') as object, "__proto__"));
});

test("what is not there is not printed", () => {
  assert.equal(printJson({ a: undefined, b: null, c: Number.NaN }), '{"b":null,"c":null}');
  assert.ok(isEqual({ a: 1, b: undefined }, { a: 1 }) && !isEqual([1], { 0: 1 }));
});

test("an element of a list may be called by its name", () => {
  const features = [
    { name: "a", values: [1] },
    { name: "b/c", values: [2, 3] },
  ];
  const documents = { account_info: { features }, sim_card: null };
  const subscriber = new Subscriber({ accountId: "1@msisdn", documents });
  assert.equal(subscriber.document("/account_info/features/b~1c/values/1"), 3);
  assert.equal(subscriber.document("/account_info/features/0/name"), "a");
  const nowhere = [
    "",
    "account_info",
    "/account_info/features/d",
    "/account_info/features/7",
    "/sim_card/ki",
  ];
  for (const pointer of [...nowhere, "/account_info/constructor"]) {
    assert.equal(subscriber.document(pointer), undefined, pointer);
  }
});
