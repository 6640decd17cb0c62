/** A group's configuration: what its schema promises, and what is read. */

import { type Json, type JsonObject, Settings, settings } from "punchdown-adapter";

export interface Config {
  /** The system's profiles, by the names of PortaBilling's products. */
  profiles: Map<string, string>;
  /** How often an order is looked at while no notification comes. */
  pollSeconds: number;
}

/** The JSON Schema of what {@link readConfig} finds good. */
export const schema: JsonObject = {
  type: "object",
  additionalProperties: false,
  required: ["profiles"],
  properties: {
    profiles: {
      type: "object",
      minProperties: 1,
      additionalProperties: { type: "string" },
      description: "The system's profiles, by the names of PortaBilling's products.",
    },
    poll_seconds: {
      type: "integer",
      minimum: 1,
      maximum: 86_400,
      default: 60,
      description: "How often an order is looked at while no notification comes.",
    },
  },
};

/** Reads a configuration, or says all that is wrong with it. */
export function readConfig(config: Json) {
  return Settings.read<Config>(config, (read) => ({
    profiles: read.required("profiles", "which profile has which product?", settings.textsByName),
    pollSeconds: read.or("poll_seconds", 60, settings.number(1, 86_400)),
  }));
}
