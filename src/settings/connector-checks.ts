/** Checks on connectors: one next hop, TLS that can work, an identity that the other side takes. */
import { meetsAny } from './address-spaces.ts';
import type { Findings } from './mistakes.ts';
import { isOurListener } from './own-sockets.ts';
import type { SettingsFile } from './schema.ts';

type ConnectorFile = SettingsFile['connectors'][number];

export function checkConnectors(raw: SettingsFile, findings: Findings): void {
  raw.connectors.forEach((connector, index) => {
    const first = raw.connectors.findIndex((other) => other.name === connector.name);
    if (first < index)
      findings.mistake(
        ['connectors', index, 'name'],
        `the connector "${connector.name}" stands here twice (connectors[${first}])`,
        'Give each connector a name of its own',
      );
    checkNextHop(raw, connector, index, findings);
    checkTls(connector, index, findings);
    checkDestinations(connector, index, findings);
    checkHelo(connector, index, findings);
  });
  // C11: notifications go to senders anywhere
  if (!raw.connectors.some((connector) => connector['address-spaces'].some((space) => space.pattern === '*'))) {
    findings.note(
      ['connectors'],
      'C11: delivery notices to senders on the Internet have no way out: no connector has "*"',
      'Add a connector with address-spaces: ["*"] and next-hop: { mx: true } or a smart host',
    );
  }
}

function checkNextHop(raw: SettingsFile, connector: ConnectorFile, index: number, findings: Findings): void {
  const hop = connector['next-hop'];
  const at = ['connectors', index, 'next-hop'] as const;
  const kinds = (['mx', 'smart-hosts', 'lmtp', 'maildir'] as const).filter((kind) => hop[kind] !== undefined);
  if (kinds.length !== 1)
    findings.mistake(
      [...at],
      kinds.length === 0 ? 'nothing says where it goes' : `it goes two ways: ${kinds.join(' and ')}`,
      'Write exactly one of mx, smart-hosts, lmtp, maildir',
    );
  if (hop.order !== undefined && hop['smart-hosts'] === undefined)
    findings.mistake([...at, 'order'], 'there is no list of smart hosts to order', 'Remove it');
  hop['smart-hosts']?.forEach(({ host, port }, place) => {
    if (isOurListener(raw, host, port))
      findings.mistake([...at, 'smart-hosts', place], `${host}:${port} is this relay itself`, 'Name the server behind it');
  });
}

function checkTls(connector: ConnectorFile, index: number, findings: Findings): void {
  const { mode, certificate, key, names } = connector.tls;
  const at = ['connectors', index, 'tls'] as const;
  const encrypts = mode === 'required' || mode === 'verified';
  const local =
    connector['next-hop'].maildir !== undefined ||
    (connector['next-hop'].lmtp !== undefined && 'unix' in connector['next-hop'].lmtp);
  if (local && mode !== undefined && mode !== 'none')
    findings.mistake([...at, 'mode'], 'there is no network on this way, so no TLS', 'Remove it');
  if (certificate !== undefined && !encrypts) {
    findings.mistake(
      [...at, mode === undefined ? 'certificate' : 'mode'],
      `C12: a client certificate with mode ${mode ?? 'opportunistic'}; mail without it would not be attributed to us`,
      'Write mode: required or mode: verified',
    );
  }
  if (certificate !== undefined && key === undefined)
    findings.mistake(
      [...at, 'certificate'],
      'the key of this certificate is missing',
      'Add key: with the PEM file of the private key',
    );
  if (key !== undefined && certificate === undefined)
    findings.mistake([...at, 'key'], 'the certificate of this key is missing', 'Add certificate: with the PEM file');
  const isVerifiedFor = connector.tls.destinations?.some((one) => one.mode === 'verified') === true;
  if (names !== undefined && mode !== 'verified' && !isVerifiedFor)
    findings.note(
      [...at, 'names'],
      `names are looked at in mode verified alone, and this is ${mode ?? 'opportunistic'}`,
      'Write mode: verified, or remove them',
    );
}

/** The policies for some of a connector's domains: each can be reached, keeps C12, and stands once. */
function checkDestinations(connector: ConnectorFile, index: number, findings: Findings): void {
  const { mode, certificate, names, destinations = [] } = connector.tls;
  const byMx = connector['next-hop'].mx !== undefined;
  const at = (place: number, ...inner: string[]) => ['connectors', index, 'tls', 'destinations', place, ...inner];
  if (byMx && mode === 'verified' && names === undefined) noteNamesByDns(['connectors', index, 'tls', 'mode'], findings);
  const meets = meetsAny(connector['address-spaces'].map(({ pattern }) => pattern));
  const firsts = new Map<string, number>();
  destinations.forEach((one, place) => {
    const first = firsts.get(one.domain);
    if (first === undefined) firsts.set(one.domain, place);
    else
      findings.mistake(
        at(place, 'domain'),
        `${one.domain} stands here twice (destinations[${first}])`,
        'Write one entry for each domain',
      );
    if (certificate !== undefined && one.mode !== 'required' && one.mode !== 'verified')
      findings.mistake(
        at(place, 'mode'),
        `C12: mode ${one.mode} on a connector with a client certificate; mail without it would not be attributed to us`,
        'Write mode: required or mode: verified, or give these domains a connector of their own',
      );
    if (byMx && one.mode === 'verified' && (one.names ?? names) === undefined) noteNamesByDns(at(place, 'mode'), findings);
    if (one.names !== undefined && one.mode !== 'verified')
      findings.note(
        at(place, 'names'),
        `names are looked at in mode verified alone, and this is ${one.mode}`,
        'Write mode: verified, or remove them',
      );
    if (!meets(one.domain))
      findings.note(
        at(place, 'domain'),
        `no mail for ${one.domain} goes by the connector ${connector.name}: it is in none of its address spaces`,
        'Write it at the connector that its mail takes, or add the address space',
      );
  });
}

/** RFC 8461 §1, RFC 7672 §1.3: the name of an exchanger is only as good as the DNS that told it. */
function noteNamesByDns(path: (string | number)[], findings: Findings): void {
  findings.note(
    path,
    'the certificate is compared with the name of the MX host, and that comes from DNS: who forges DNS can name a host of his own',
    'Write names: with what the certificate must say, such as names: [mail.protection.outlook.com]',
  );
}

/** R20: a client that greets with the server's own name is taken for a forger. */
function checkHelo(connector: ConnectorFile, index: number, findings: Findings): void {
  const { helo, 'next-hop': hop } = connector;
  if (helo !== undefined && hop['smart-hosts']?.some(({ host }) => host === helo) === true) {
    findings.mistake(['connectors', index, 'helo'], `R20: ${helo} is the name of the server it greets`, 'Give our own name');
  }
}
