/**
 * What is said to the system, and what its answers mean: SOAP 1.1, whose faults come in a `200` as often as in
 * a `500`.
 */

import { Request, type Response, xml } from "punchdown-adapter";

/** Stands for the session in what is recorded; the host puts it in as the request leaves. */
const SESSION = "@@session@@";

/** What an answer says. */
export type Answer =
  /** It was done; `text` finds what it tells. */
  | { is: "done"; text: (name: string) => string | undefined }
  | Fault
  /** Nothing that this system says. */
  | { is: "unclear"; why: string };

export interface Fault {
  is: "fault";
  code: string;
  why: string;
}

type Members = Record<string, string>;

/** The call that logs in. */
export function logInCall(path: string): Request {
  const call = envelope(path, "Login", { user: "@@user@@", password: "@@password@@" });
  return call.fill("@@user@@", "secret.user", "xml").fill("@@password@@", "secret.password", "xml");
}

/** A call within a session. */
export function call(path: string, name: string, members: Members): Request {
  return envelope(path, name, { session: SESSION, ...members }).fill(SESSION, "session.id", "xml");
}

function envelope(path: string, name: string, members: Members): Request {
  const elements = Object.entries(members).map(
    ([member, value]) => `<${member}>${xml.escape(value)}</${member}>`,
  );
  const text =
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>' +
    `<${name} xmlns="urn:example:services">${elements.join("")}</${name}></soap:Body></soap:Envelope>`;
  const request = Request.post(path).text("text/xml; charset=utf-8", text);
  return request.header("soapaction", `"urn:example:services#${name}"`);
}

export function read(response: Response): Answer {
  const text = response.text() ?? "";
  const faultcode = xml.find(text, "Fault/faultcode");
  if (faultcode !== undefined) {
    const code = faultcode.slice(faultcode.lastIndexOf(":") + 1);
    return { is: "fault", code, why: xml.find(text, "Fault/faultstring") ?? code };
  }
  if (response.isSuccess && xml.find(text, "Envelope/Body") !== undefined) {
    return { is: "done", text: (name) => xml.find(text, name) };
  }
  return { is: "unclear", why: `answered ${response.status} without a SOAP envelope` };
}
