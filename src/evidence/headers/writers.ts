/**
 * What is known of the systems that write Received fields: "no TLS" can be told from a field's silence only where its
 * writer states TLS whenever it is used (R19). Pure.
 */
import type { Clauses } from './clauses.ts';

/** The facts of a field that show who wrote it. */
export interface WriterFacts {
  readonly fromHost: string | null;
  /** Comments of the `from` clause. */
  readonly fromComments: readonly string[];
  readonly byHost: string | null;
  /** Comments of the `by`, `with` and `id` clauses: products name themselves there. */
  readonly productComments: readonly string[];
  /** Comments before any clause: `(qmail 123 invoked by uid 0)`, `(from user@localhost)`. */
  readonly leadingComments: readonly string[];
  readonly protocol: string | null;
  readonly via: string | null;
  readonly id: string | null;
  readonly fromIp: string | null;
}

/** Products that write S-tokens (RFC 3848) or a TLS comment whenever TLS was used, by what they call themselves. */
const STATING_PRODUCT = new RegExp(
  [
    '^(?:postfix|exim|zimbra|pps|forcepoint|haraka|opensmtpd|stalwart|kerio|mdaemon|rzmta|nemesis|bridgehead|qpsmtpd|qmail)\\b',
    '^(?:mailmarshal|trustwave|hmailserver|smartermail|communigate|ecelerity|amavis|amavisd|amavisd-new|axigen|surgemail|icewarp)\\b',
    '^(?:maddy|chasquid|james|halon|trend micro|symantec|sophos|barracuda|fortimail|mailcleaner|netqmail|s\\/qmail|indimail|wildduck|zonemta|mox)\\b',
    '\\bspam (?:& |and |&amp; )?(?:virus )?firewall\\b',
    '^mail server\\b',
    '\\bexim \\d',
    // Sendmail and what is built on it: the versions of program and configuration
    '^8\\.\\d+[\\w.+-]*\\/\\S',
  ].join('|'),
  'i',
);
const STATING_PROTOCOL = /^Microsoft (?:SMTPSVC|SMTP Server)\b|^(?:MailMarshal|Trustwave SEG)\b/i;
const STATING_HOST =
  /(?:^|\.)(?:messagelabs\.(?:com|net)|symanteccloud\.com|mimecast(?:-offshore)?\.(?:com|co\.za)|postini\.com|pphosted\.com|ppe-hosted\.com|gpphosted\.com|cudaops\.com|iphmx\.com|bigfish\.com)$|^(?:mx|smtp|aspmx\.l|smtp-relay)\.(?:google|gmail)\.com$|^mta\d[\w.-]*\.yahoo\.(?:com|co\.\w\w)$/i;
/** Products that write `with ESMTP` whatever was used; their field may look like another's. */
const SILENT_PRODUCT = /tumbleweed|domino|zmailer|simpleemailservice|sendgrid|^sg$|yahoo inc|messageswitch/i;

/** Postfix under another name: `from HELO (name [address]) by HOST (Name) with ESMTP id 4F2A...; date (CET)` */
function looksLikePostfix({ fromComments, productComments, id }: WriterFacts): boolean {
  const name = productComments[0] ?? '';
  return (
    /^\S+ ?\[[\da-fA-F.:IPv]+\]$/.test(fromComments[0] ?? '') &&
    /^[A-Za-z][A-Za-z_-]*$/.test(name) &&
    /^(?:[0-9A-F]{8,14}|[0-9BCDFGHJ-NP-TV-Zbcdfghj-np-tv-z]{10,16}z[0-9BCDFGHJ-NP-TV-Zbcdfghj-np-tv-z]*)$/.test(id ?? '')
  );
}

/** qmail, MessageLabs and IronPort: a date without its weekday, no id, `(HELO name) (address)`; all state the cipher. */
function looksLikeQmail({ fromComments, productComments, id }: WriterFacts, weekday: boolean): boolean {
  return (
    !weekday &&
    id === null &&
    productComments.length === 0 &&
    fromComments.some((comment) => /^(?:[he][eh]lo .*|\[?[\da-f.:]+\]?|\S+@\[?[\da-f.:]+\]?)$/i.test(comment))
  );
}

const EXIM_ID = /^[0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}$|^[0-9A-Za-z]{6}-[0-9A-Za-z]{11}-[0-9A-Za-z]{4}$/;

/** Whether this field would say so if the hop had been encrypted. */
export function wouldSayTls(facts: WriterFacts, clauses: Clauses): boolean {
  const { protocol, byHost, id } = facts;
  // Without `from`, details of the client were left out on purpose, and with them perhaps the TLS comment
  if (protocol === null && !STATING_HOST.test(byHost ?? '')) return sendmailLike(facts) || marshal(facts);
  if (!clauses.clauses.some(({ name }) => name === 'from')) return false;
  const products = [...facts.productComments, byHost ?? ''];
  if (products.some((product) => SILENT_PRODUCT.test(product)) || SILENT_PRODUCT.test(protocol ?? '')) return false;
  if (STATING_PROTOCOL.test(protocol ?? '') || STATING_HOST.test(byHost ?? '')) return true;
  if (products.some((product) => STATING_PRODUCT.test(product))) return true;
  if (protocol === null || !/^(?:UTF8)?E?SMTPA?$/i.test(protocol)) return false;
  if (EXIM_ID.test(id ?? '') && protocol === protocol.toLowerCase()) return true;
  if (/^md5\d{10,}/i.test(id ?? '')) return true; // MDaemon
  if (clauses.idBehindDate) return true; // Courier
  return looksLikePostfix(facts) || looksLikeQmail(facts, clauses.date?.weekday ?? true);
}

function sendmailLike({ fromHost, productComments }: WriterFacts): boolean {
  return fromHost !== null && productComments.some((product) => /^8\.\d+[\w.+-]*\/\S/.test(product));
}

/** Trustwave (MailMarshal) has no `with`, but `Not Verified[192.0.2.1]` and `id <B...>`. */
function marshal({ fromComments }: WriterFacts): boolean {
  return fromComments.some((comment) => /^(?:not )?verified ?\[/i.test(comment));
}

/** Submission to a store, webmail, mailbox pick-up, local delivery, list expansion: there is no SMTP session to protect. */
const OTHER_PROTOCOL =
  /^(?:mapi|(?:local(?:-\S+)?|internal|bsmtp|uucp|rmail|batched|stdio|pipe|file|http\S*|https?u?|rest|httprest|api|webmail|ximss|imap\d?(?:-ssl|s)?|pop3?(?:-ssl|s)?|apop|kpop|odmr|etrn|nntp|ecartis|listar|smartlist|mailman|outflank-mailman\S*|majordomo|x\.?400|qmqp|lmtpa?|dlmtp|utf8lmtpa?|jmap|maildrop|procmail|sieve|ews|activesync|dav|http-dav)(?:$| |\/)|microsoft exchange server http-dav|compressed qmqp|qmail-scanner|spool$)/i;
const OTHER_COMMENT =
  /^(?:qmail \d+ (?:\w+ \d+ )?invoked|haraka outbound\b|nullmailer|sendmail emulation|from (?:userid )?\S+|ssmtp|\S+@\S+$|postfix, from userid|via https?\b|fetchmail|getmail|invoked|masqmail|esmtp-wrapper|msmtp|dma\b)/i;

/** Whether this field is of a hop that was no SMTP session between hosts. */
export function isNoSmtp(facts: WriterFacts, clauses: Clauses): boolean {
  const { protocol, via, byHost, fromHost, fromComments, productComments, leadingComments } = facts;
  if (fromComments.some((comment) => /\[local\]$/i.test(comment))) return true; // OpenSMTPD
  if (protocol !== null) {
    if (OTHER_PROTOCOL.test(protocol)) return true;
    if (/^mail pickup service$/i.test(fromHost ?? '')) return true; // Microsoft SMTPSVC
    return productComments.some((comment) => /^(?:via https?\b|fetchmail|getmail)/i.test(comment));
  }
  if (/\/(?:prmd|admd)=|^outflank-mailman$/i.test(byHost ?? '')) return true; // X.400; a list manager's own queue
  if (via !== null && /^(?:listexpand|http\S*|local|uucp|imap|pop3)\b/i.test(via)) return true;
  if (leadingComments.some((comment) => OTHER_COMMENT.test(comment))) return true;
  if (productComments.some((comment) => OTHER_COMMENT.test(comment) || /sendmail emulation|from userid/i.test(comment)))
    return true;
  // What Postfix and Sendmail make themselves: forwarded by an alias, or a delivery status notification
  const [product = ''] = productComments;
  const from = clauses.clauses.some(({ name }) => name === 'from');
  if (byHost !== null && !from && /^(?:postfix\b|8\.\d+[\w.+-]*\/)/i.test(product)) return true;
  return /^localhost$/i.test(fromHost ?? '') && facts.fromComments[0] === 'localhost' && sendmailLike(facts);
}
