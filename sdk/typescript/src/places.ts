/**
 * Where in the author's files a line of the built component comes from. The component holds no source map:
 * only one place for each of its lines, which the build puts in.
 */

interface Lines {
  files: string[];
  /** For each line of the component, from the first: its file's place in `files`, and the line there. */
  lines: ([number, number] | null)[];
}

declare global {
  var punchdownLines: Lines | undefined;
}

/** A stack trace whose places are those of the author's files. */
export function mapped(stack: string): string {
  return stack.replace(/[^\s(]*\.js:(\d+)(?::\d+)?/g, (built, line: string) => {
    const [file, at] = globalThis.punchdownLines?.lines[Number(line) - 1] ?? [];
    return file === undefined ? built : `${globalThis.punchdownLines?.files[file]}:${at}`;
  });
}
