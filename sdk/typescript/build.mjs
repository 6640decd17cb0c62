// Builds the component of the project in which it is run: `node sdk/typescript/build.mjs --to line.wasm`.
//
// What the project exports by default from `src/adapter.ts` is the adapter; the optional interfaces that the
// component has stand in `package.json`, as `"punchdown": { "interfaces": ["session"] }`.

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { componentize } from "componentize-qjs";
import { build } from "esbuild";

const OPTIONAL = ["session", "registration"];

const project = JSON.parse(readFileSync("package.json", "utf8"));
const options = { to: { type: "string", default: `${project.name}.wasm` } };
const { to } = parseArgs({ options }).values;
const interfaces = project.punchdown?.interfaces ?? [];
const unknown = interfaces.find((name) => !OPTIONAL.includes(name));
if (unknown !== undefined) {
  throw new Error(`package.json: \`${unknown}\` is no optional interface: ${OPTIONAL.join(", ")}`);
}

const { component } = await componentize({
  witPath: writeWorld(),
  world: "component",
  jsSource: await bundle(),
  // The other runtime wants asynchronous components, which the host does not take.
  sync: true,
});
mkdirSync(dirname(to), { recursive: true });
writeFileSync(to, component);
console.log(`${to}: ${component.length} bytes`);

/** The contract, with a world that has the component's interfaces. */
function writeWorld() {
  const folder = join("build", "wit");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(join("wit", "adapter.wit"), join(folder, "adapter.wit"));
  const [contract] = readFileSync(join("wit", "adapter.wit"), "utf8").match(/^package .*;$/m);
  const exported = interfaces.map((name) => `export ${name};`).join(" ");
  writeFileSync(
    join(folder, "component.wit"),
    `${contract}\nworld component { include adapter; ${exported} }\n`,
  );
  return folder;
}

/** The adapter and all that it uses, as one module. */
async function bundle() {
  const names = ["externalSystem", ...interfaces].join(", ");
  const contents = [
    'import adapter from "./src/adapter.ts";',
    'import { exportAdapter } from "punchdown-adapter/component";',
    `export const { ${names} } = exportAdapter(adapter);`,
  ].join("\n");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ".", sourcefile: "component.ts" },
    outfile: join("build", "component.js"),
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2023",
    external: ["punchdown:*"],
    sourcemap: "external",
    write: false,
    logLevel: "warning",
  });
  const text = (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text;
  const module = text(".js");
  return `${module}globalThis.punchdownLines = ${JSON.stringify(places(module, JSON.parse(text(".map"))))};\n`;
}

/** For each line of the module, the file and the line that it comes from: see `src/places.ts`. */
function places(module, map) {
  const origins = new SourceMap(map);
  const files = map.sources.map((source) => source.replace(/^(\.\.\/)+/, ""));
  const lines = module.split("\n").map((line, place) => {
    const { originalSource, originalLine } = origins.findEntry(place, line.search(/\S|$/));
    return originalSource === undefined ? null : [map.sources.indexOf(originalSource), originalLine + 1];
  });
  return { files, lines };
}
