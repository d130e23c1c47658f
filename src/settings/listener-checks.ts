/** Whether the listeners fit together, and with the peers that they are for. Pure. */
import type { Findings } from './mistakes.ts';
import { sameSocket } from './own-sockets.ts';
import type { SettingsFile } from './schema.ts';
import { isEverybody } from './values.ts';

type Listener = SettingsFile['listeners'][number];

export function checkListeners(raw: SettingsFile, findings: Findings): void {
  raw.listeners.forEach((listener, index) => {
    checkSocket(raw, listener, index, findings);
    checkBalancers(listener, index, findings);
    checkSubmission(raw, listener, index, findings);
  });
}

function checkSocket(raw: SettingsFile, listener: Listener, index: number, findings: Findings): void {
  const first = raw.listeners.findIndex((other) => sameSocket(other, listener));
  if (first >= 0 && first < index) {
    findings.mistake(
      ['listeners', index],
      `listeners[${first}] has port ${listener.port} already`,
      'Give each listener a port of its own',
    );
  }
  if (sameSocket(raw.admin, listener)) {
    findings.mistake(
      ['admin', 'port'],
      `listeners[${index}] has port ${listener.port} already`,
      'Give the admin address another port',
    );
  }
}

function checkBalancers(listener: Listener, index: number, findings: Findings): void {
  listener['proxy-protocol']?.forEach((network, at) => {
    if (isEverybody(network))
      findings.mistake(
        ['listeners', index, 'proxy-protocol', at],
        `${network} is everybody: each client could say that it is another one`,
        'Name the addresses of your load balancers alone',
      );
  });
}

function checkSubmission(raw: SettingsFile, listener: Listener, index: number, findings: Findings): void {
  const at = ['listeners', index] as const;
  if (listener.role !== 'submission') {
    if (listener['without-tls'].length > 0)
      findings.mistake(
        [...at, 'without-tls'],
        'this listener takes mail without TLS from everybody, as other mail servers need it',
        'Remove it, or add role: submission',
      );
    return;
  }
  const ours = raw.peers['on-premises'];
  if (ours === undefined) {
    findings.mistake(
      [...at, 'role'],
      'a submission listener is for on-premises peers, and there are none',
      'Add peers.on-premises with networks or certificate-names',
    );
  }
  if (listener['client-ca-file'] !== undefined && ours !== undefined && ours['certificate-names'].length === 0) {
    findings.note(
      [...at, 'client-ca-file'],
      'no certificate counts, for peers.on-premises has no certificate-names',
      'Add the names in the certificates of your servers and devices to peers.on-premises.certificate-names',
    );
  }
  listener['without-tls'].forEach((network, place) => {
    if (isEverybody(network))
      findings.mistake(
        [...at, 'without-tls', place],
        `${network} is everybody`,
        'Name the devices that cannot do TLS; their mail can be read on its way to us',
      );
  });
}
