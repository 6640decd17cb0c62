/** Requests and responses: the contract's records, and what makes them pleasant to write and read. */

import { type Json, printJson, tryParseJson } from "./json.ts";

/** One header of a request, a response or a notification. */
export interface Header {
  /** Lower case in what the host hands over; a name may come more than once. */
  name: string;
  value: string;
}

/** A body: a text, sent as UTF-8; bytes; or `undefined`, when there is none. */
export type Body = string | Uint8Array | undefined;

/**
 * What the host may do when it cannot know whether a request arrived: send it again until it is answered, or
 * never of its own accord.
 */
export type Delivery = "repeatable" | "at-most-once";

/** How a filled-in value is written in its place: as it is, in a JSON string, as XML text, percent-encoded. */
export type Escape = "verbatim" | "json" | "xml" | "url";

/** A value that only the host knows, put into a request as it leaves. */
export interface Fill {
  /** The text that stands for the value, in the path, a header or a text body. */
  mark: string;
  /** `secret.<name>`: a secret of the group; `session.<name>`: a value of the running session. */
  source: string;
  /** How the value is written there. */
  escape: Escape;
}

/** What a request is made of. */
export interface RequestParts {
  /** The adapter's own name for it. {@link Flow.ask} and `act` set it. */
  readonly label: string;
  /** The HTTP method. */
  readonly method: string;
  /** Path and query below the target's base URL. */
  readonly path: string;
  /** What the host does not set itself. */
  readonly headers: Header[];
  /** What is sent. */
  readonly body: Body;
  /** Whether it may be sent twice. {@link Flow.ask} and `act` set it. */
  readonly delivery: Delivery;
  /** The marks in it, and what stands in their place as it leaves. */
  readonly fills: Fill[];
  /** For what later hosts can do. A host refuses a word that it does not know. */
  readonly extras?: Json | undefined;
}

/** A request to the group's target. It never changes: every method gives another one. */
export class Request implements RequestParts {
  readonly label!: string;
  readonly method!: string;
  readonly path!: string;
  readonly headers!: Header[];
  readonly body: Body;
  readonly delivery!: Delivery;
  readonly fills!: Fill[];
  readonly extras?: Json | undefined;

  private constructor(parts: RequestParts) {
    Object.assign(this, parts);
  }

  /** A request with any method. `path` is what follows the target's base URL: `/subscriber/7`. */
  static of(method: string, path: string): Request {
    return new Request({
      label: "",
      method,
      path,
      headers: [],
      body: undefined,
      delivery: "repeatable",
      fills: [],
    });
  }

  /** A `GET`. */
  static get(path: string): Request {
    return Request.of("GET", path);
  }

  /** A `POST`. */
  static post(path: string): Request {
    return Request.of("POST", path);
  }

  /** A `PUT`. */
  static put(path: string): Request {
    return Request.of("PUT", path);
  }

  /** A `PATCH`. */
  static patch(path: string): Request {
    return Request.of("PATCH", path);
  }

  /** A `DELETE`. */
  static delete(path: string): Request {
    return Request.of("DELETE", path);
  }

  /**
   * Adds one segment to the path, percent-encoded: `Request.get("/order").segment("a/b")` asks for
   * `/order/a%2Fb`. Before any `query`.
   */
  segment(segment: string): Request {
    return this.with({ path: `${this.path}/${percentEncode(segment)}` });
  }

  /** Adds one parameter to the query, percent-encoded. */
  query(name: string, value: string): Request {
    const before = this.path.includes("?") ? "&" : "?";
    return this.with({ path: this.path + before + pair([name, value]) });
  }

  /** Adds a header. */
  header(name: string, value: string): Request {
    return this.with({ headers: [...this.headers, { name, value }] });
  }

  /** Sends `value` as JSON, and says so in `content-type`. */
  json(value: Json): Request {
    return this.text("application/json", printJson(value));
  }

  /** Sends the fields as a form, and says so in `content-type`. */
  form(fields: Record<string, string>): Request {
    return this.text("application/x-www-form-urlencoded", Object.entries(fields).map(pair).join("&"));
  }

  /** Sends `text` under the content type given. */
  text(contentType: string, text: string): Request {
    return this.with({ body: text }).header("content-type", contentType);
  }

  /** Puts the value of `source` in the place of `mark`, wherever that stands in the request. */
  fill(mark: string, source: string, escape: Escape): Request {
    return this.with({ fills: [...this.fills, { mark, source, escape }] });
  }

  /** The same request with other parts. */
  with(parts: Partial<RequestParts>): Request {
    return new Request({ ...this, ...parts });
  }
}

/** What can be read in whatever came. */
abstract class Message {
  constructor(
    /** In order, names in lower case. */
    readonly headers: Header[],
    readonly body: Body,
  ) {}

  /** The value of the first header of that name, whatever its case. */
  header(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.headers.find((header) => header.name.toLowerCase() === wanted)?.value;
  }

  /** The body as text; `undefined` when there is none, or when it is not UTF-8 text. */
  text(): string | undefined {
    return this.body instanceof Uint8Array ? decodeUtf8(this.body) : this.body;
  }

  /** The body as JSON; `undefined` when it is not JSON. */
  json(): Json | undefined {
    const text = this.text();
    return text === undefined ? undefined : tryParseJson(text);
  }
}

/** What the target answered, or what a notification is answered. */
export class Response extends Message {
  constructor(
    /** The HTTP status code. */
    readonly status: number,
    headers: Header[] = [],
    body?: Body,
  ) {
    super(headers, body);
  }

  /** Whether the status code is 2xx. */
  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }
}

/** A message from the external system, authenticated and stored by the host. */
export class Notification extends Message {
  constructor(
    /** The HTTP method. */
    readonly method: string,
    /** Path and query below the group's notification address. */
    readonly path: string,
    headers: Header[],
    body: Body,
    /** When the host took it, RFC 3339 in UTC. */
    readonly receivedAt: string,
  ) {
    super(headers, body);
  }
}

function pair([name, value]: [string, string]): string {
  return `${percentEncode(name)}=${percentEncode(value)}`;
}

/** Keeps the unreserved characters of RFC 3986 alone, which is right in a path, in a query and in a form. */
function percentEncode(text: string): string {
  const encoded = encodeURIComponent(text.toWellFormed());
  return encoded.replace(/[!'()*]/g, (kept) => `%${kept.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The engine of the component has no `TextDecoder`. */
function decodeUtf8(bytes: Uint8Array): string | undefined {
  const encoded = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`);
  try {
    return decodeURIComponent(encoded.join(""));
  } catch {
    return undefined;
  }
}
