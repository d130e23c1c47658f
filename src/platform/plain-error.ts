/**
 * An error of OpenSSL without its addresses in memory and its source files, which differ from one time to the next and tell
 * nobody anything: `ERR_SSL_...: tlsv1 alert protocol version`. Pure.
 */
export function plainError(text: string): string {
  return text
    .replace(/(?:[0-9A-F]{8,}:)?error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):\S*?:\d+:?(?:SSL alert number \d+)?\s*/g, '$1')
    .trim();
}
