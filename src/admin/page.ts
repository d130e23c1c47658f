/** `GET /`: one plain page with the state of the moment and where to go from here. No script, nothing from elsewhere. */
import { createHash } from 'node:crypto';
import type { Status } from './contract.ts';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse}th,td{text-align:left;padding:.25rem 1rem .25rem 0}code{background:#eee;padding:0 .25rem}`;

/** Content-Security-Policy of the page. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

export function renderPage(status: Status): string {
  const accepting = status.accepting ? 'accepting mail' : `not accepting mail: ${status.why ?? 'the cause is unknown'}`;
  const hour = status['last-hour'];
  const rows = status.connectors.map(
    (one) =>
      `<tr><td>${escape(one.name)}</td><td>${escape(one.state)}</td><td>${one.waiting}</td><td>${escape(one['last-success']?.time ?? 'none seen')}</td><td>${escape(one['last-failure']?.reply ?? 'none seen')}</td></tr>`,
  );
  const findings = status.findings.map(
    (one) => `<li>${escape(one.severity)}: ${escape(one.problem)}${one.remedy === null ? '' : ` ${escape(one.remedy)}`}</li>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Bridgehead ${escape(status.hostname)}</title><style>${STYLE}</style></head><body>
<h1>${escape(status.hostname)}</h1>
<p>Bridgehead ${escape(status.version)}, ${escape(accepting)}. ${status.queue.messages} messages wait.
Last hour: ${hour.received} received, ${hour.sent} sent, ${hour.deferred} deferred, ${hour.failed} failed, ${hour.refused} refused.</p>
<table><thead><tr><th>Connector</th><th>State</th><th>Waiting</th><th>Last success</th><th>Last failure</th></tr></thead><tbody>${rows.join('')}</tbody></table>
${findings.length === 0 ? '' : `<h2>Findings</h2><ul>${findings.join('')}</ul>`}
<p>The API is under <code>/api/v1/</code>: <a href="/api/v1/status">status</a>, <a href="/api/v1/queue">queue</a>,
<a href="/api/v1/connectors">connectors</a>, <a href="/api/v1/trace">trace</a>; described by <a href="/api/v1/openapi.json">openapi.json</a>.
<a href="/metrics">Metrics</a> are for Prometheus.</p>
</body></html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
