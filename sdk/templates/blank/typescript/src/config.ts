/** A group's configuration: what its schema promises, what is checked, what the flow works with. */

import { isObject, type Json, type JsonObject, type settings, type Subscriber } from "punchdown-adapter";

/** The JSON Schema of what {@link readConfig} finds good. */
export const schema: JsonObject = {
  type: "object",
  additionalProperties: false,
  anyOf: [
    { required: ["profiles"], properties: { profiles: { minProperties: 1 } } },
    { required: ["default-profile"] },
  ],
  properties: {
    path: {
      type: "string",
      default: "/services",
      pattern: "^/[^?#\\s]*$",
      description: "Where the system listens, below the target's base URL.",
    },
    profiles: {
      type: "object",
      additionalProperties: { type: "string", minLength: 1 },
      description: "The system's profiles, by the names of PortaBilling's products.",
    },
    "default-profile": {
      type: "string",
      minLength: 1,
      description: "The profile of all other products.",
    },
  },
};

const NAMES = ["path", "profiles", "default-profile"];

export interface Config {
  /** Where the system listens, below the target's base URL. */
  path: string;
  /** Its profiles, by the names of PortaBilling's products. */
  profiles: Map<string, string>;
  /** That of all other products. */
  defaultProfile: string | undefined;
}

/** Reads a configuration, or says all that is wrong with it. */
export function readConfig(config: Json): settings.Read<Config> {
  const unknown = Object.keys(isObject(config) ? config : {}).find((name) => !NAMES.includes(name));
  if (!isObject(config) || unknown !== undefined) {
    const names = NAMES.map((name) => `\`${name}\``).join(", ");
    const message = `unknown field \`${unknown}\`, expected one of ${names}`;
    return {
      value: undefined,
      problems: [{ at: "", message: isObject(config) ? message : "must be an object" }],
    };
  }
  const { path = "/services", profiles = {}, "default-profile": defaultProfile } = config;
  const problems: { at: string; message: string }[] = [];
  if (typeof path !== "string" || !/^\/[^?#\s]*$/.test(path)) {
    problems.push({ at: "/path", message: "must be a path that begins with /" });
  }
  const named = Object.entries(isObject(profiles) ? profiles : {});
  if (named.length === 0 && defaultProfile === undefined) {
    problems.push({ at: "/profiles", message: "names no profile, and there is no `default-profile`" });
  }
  if (![...named.map(([, profile]) => profile), defaultProfile ?? "none"].every(isName)) {
    problems.push({ at: "/profiles", message: "a profile has a name" });
  }
  const value = { path, profiles: new Map(named), defaultProfile } as Config;
  return problems.length === 0 ? { value, problems: [] } : { value: undefined, problems };
}

/** The profile of the subscriber's product; `undefined` when there is none. */
export function profileOf(config: Config, subscriber: Subscriber): string | undefined {
  return config.profiles.get(productOf(subscriber)) ?? config.defaultProfile;
}

/** The subscriber's product, by PortaBilling's name. */
export function productOf(subscriber: Subscriber): string {
  const product = subscriber.document("/account_info/product_name");
  return typeof product === "string" ? product : "";
}

function isName(value: Json | undefined): boolean {
  return typeof value === "string" && value !== "";
}
