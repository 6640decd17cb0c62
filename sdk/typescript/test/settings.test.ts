// A configuration, and all that can be wrong with it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Json, Settings, settings } from "../src/index.ts";

const { document, flag, number, text, texts, textsByName, word } = settings;

function line(config: Json) {
  return Settings.read(config, (read) => ({
    name: read.required("name", "what is to be made?", text),
    seconds: read.or("seconds", 30, number(1, 86_400)),
  }));
}

test("what may be left out has a default", () => {
  assert.deepEqual(line({ name: "line" }), { value: { name: "line", seconds: 30 }, problems: [] });
});

test("all that is wrong is noted, each with its place", () => {
  const { problems } = line({ seconds: 0, nmae: "line" });
  assert.deepEqual(problems, [
    { at: "/name", message: "is missing: what is to be made?" },
    { at: "/seconds", message: "must be a whole number from 1 to 86400" },
    { at: "/nmae", message: "is no setting of this adapter" },
  ]);
});

function tables(config: Json) {
  return Settings.read(config, (read) => {
    read.table("one", (one) => one.optional("word", word("yes", "no")));
    return read.tables("many", (one) => one.or("on", true, flag));
  });
}

test("objects within objects say their place", () => {
  assert.equal(tables({ many: { a: {}, b: { on: false } } }).value?.get("b"), false);
  const config = { one: { word: "may", "a/b": 1 }, many: { a: 1, b: { on: "yes" } } };
  assert.deepEqual(
    tables(config).problems.map(({ at, message }) => [at, message]),
    [
      ["/one/word", "must be yes or no"],
      ["/one/a~1b", "is no setting of this adapter"],
      ["/many/a", "must be an object"],
      ["/many/b/on", "must be true or false"],
    ],
  );
});

test("what is no object is said once", () => {
  assert.deepEqual(line([]).problems, [{ at: "", message: "must be an object" }]);
});

test("every reader says what must be", () => {
  const complaint = (reader: settings.Reader<unknown>, value: Json) => {
    return Settings.read({ it: value }, (read) => read.required("it", "", reader)).problems[0]?.message;
  };
  assert.equal(complaint(text, ""), "must be text, and not empty");
  assert.equal(complaint(texts, ["a", ""]), "must be a list of texts, and not empty");
  assert.equal(complaint(textsByName, {}), "must be an object of texts, and not empty");
  assert.equal(
    complaint(document(["a", "b"]), "/c/d"),
    "must begin with /a or /b: there are no other documents",
  );
  const good = [
    [texts, ["a"]],
    [textsByName, { a: "b" }],
    [document(["a"]), "/a/b"],
    [flag, false],
  ] as const;
  for (const [reader, value] of good) {
    assert.equal(complaint(reader, value as Json), undefined);
  }
});
