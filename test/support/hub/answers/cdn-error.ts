import { bytes } from '../content/content.ts';
import { bodyReply, htmlReply, type Reply, textReply } from '../wire/reply.ts';

const XML = { 'Content-Type': 'application/xml' };

/** What a signed URL answers after its time (protocol 2.6): 403, XML, no X-Error-Code. */
export function expiredReply(): Reply {
  const text =
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>';
  return bodyReply(403, bytes(text), XML);
}

/** As recorded: `Auth failed: invalid range`, `Auth failed: SignatureError: invalid key pair id`. */
export function authFailedReply(why: string): Reply {
  return textReply(403, `Auth failed: ${why}`);
}

/** Storage hosts refuse a second kind of credential (protocol 2.5). */
export function authorizationReply(): Reply {
  const text =
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>';
  return bodyReply(400, bytes(text), XML);
}

/** A GET without Range of a very big file (protocol 2.7). */
export function rangeRequiredReply(): Reply {
  return htmlReply(400, '<h1>400</h1>');
}

export function noSuchObjectReply(): Reply {
  const text = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>';
  return bodyReply(404, bytes(text), XML);
}
