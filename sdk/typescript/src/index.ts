/**
 * Adapters for Punchdown, in TypeScript.
 *
 * An adapter decides, the host acts: {@link Adapter} is four pure functions. {@link Flow} lets `provision` be
 * written as straight-line code. There is no network here, no clock and no randomness, and nothing to
 * initialise.
 */

export { type Adapter, logIn, provision, registerAt, unregister } from "./adapter.ts";
export { Applied } from "./applied.ts";
export { Errand } from "./errand.ts";
export { type Acted, Flow, type Wait, type Woken } from "./flow.ts";
export {
  type Body,
  type Delivery,
  type Escape,
  type Fill,
  type Header,
  Notification,
  Request,
  type RequestParts,
  Response,
} from "./http.ts";
export {
  isEqual,
  isObject,
  type Json,
  type JsonObject,
  member,
  parseJson,
  printJson,
  textOf,
  tryParseJson,
} from "./json.ts";
export { type Level, log } from "./log.ts";
export { Stop } from "./run.ts";
export * as settings from "./settings.ts";
export { Settings } from "./settings.ts";
export * from "./types.ts";
export * as xml from "./xml.ts";
