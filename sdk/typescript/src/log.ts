/** Log lines. */

/** How much a line matters. */
export type Level = "debug" | "info" | "warn" | "error";

type Writer = (level: Level, message: string) => void;

/** Natively, in tests, to standard error. */
let write: Writer = (level, message) => console.error(`${level}: ${message}`);

/**
 * Writes a line to the host's log; natively, in tests, to standard error.
 *
 * Every re-run writes it again, so it says what a question found, not what happened.
 */
export function log(level: Level, message: string): void {
  write(level, message);
}

/** The component has the host write. */
export function logBy(writer: Writer): void {
  write = writer;
}
