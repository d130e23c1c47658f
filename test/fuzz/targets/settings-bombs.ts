/** Settings files that are small or legal and cost more than they look: each fills the size that is read. */
const MOST = 256 * 1024;

/** What YAML knows, and what people write in it: alone or two or three of them, over and over. */
export const TOKENS = [
  '[',
  ']',
  '{',
  '}',
  ',',
  ': ',
  '- ',
  '? ',
  '&a ',
  '*a ',
  '!a ',
  '!!binary ',
  '"',
  "'",
  '\\"',
  '|\n',
  '>-\n',
  '#\n',
  '---\n',
  '...\n',
  '%YAML 1.2\n',
  '%\n',
  '@',
  '`',
  '\t',
  ' ',
  '\n',
  '\n ',
  '\r\n',
  '\0',
  'a',
  'a: ',
  'a: 1\n',
  '[],',
  '{},',
  '1,',
  '<<: *a\n',
  '  - {}\n',
  '\ufeff',
  '\u{1f600}',
];

export const repeated = (pattern: string, octets = MOST): string => {
  const width = Buffer.byteLength(pattern);
  return pattern.repeat(Math.floor(octets / width));
};

const HEAD = 'hostname: mx1.example.com\ndata-directory: /nowhere\n';
const DOMAIN = 'domains: [{ name: example.com, unknown-recipients: reject }]\n';
const CONNECTORS =
  'connectors: [{ name: cloud, address-spaces: [t.example.net, "*"], next-hop: { mx: true } }, { name: home, address-spaces: [example.com], next-hop: { smart-hosts: ["10.1.0.5:25"] } }]\n';
const SMART = 'next-hop: { smart-hosts: [h.example] }';

/** A share of the file, of numbered pieces. */
function filled(share: number, piece: (number: number) => string): string {
  let text = '';
  for (let number = 0; text.length < MOST * share - 600; number++) text += piece(number);
  return text;
}
const list = (share: number, piece: (number: number) => string): string => `[${filled(share, piece)}]`;
const spaces = (share: number, piece: (number: number) => string): string =>
  `connectors: [{ name: home, ${SMART}, address-spaces: ${list(share, piece)} }]\n`;

export const BOMBS: readonly string[] = [
  // syntax
  `hostname: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`,
  Array.from({ length: 800 }, (_, depth) => `${'  '.repeat(depth)}k${depth}:\n`).join(''),
  `${'x'.repeat(200_000)}: 1\n`,
  `a: "${'\\"'.repeat(100_000)}"\n`,
  `hostname: ${'- '.repeat(5_000)}\n`,
  `${'? '.repeat(800)}x\n`,
  `a: &a 1\nb: [${repeated('*a,', MOST - 100)}]\n`,
  ...['[', '{a: ', '- ', '? ', '&a ', '!a ', '---\n...\n', 'a: ', '}\n', '%\n', '#\n', '\n', '[],', ',', '\0'].map((pattern) =>
    repeated(pattern),
  ),
  `{${repeated(',', MOST - 10)}`,
  filled(1, (n) => `${' '.repeat(n % 900)}k${n}:\n`),
  // names and values without end
  filled(1, (n) => `key${n}: ${n}\n`),
  `{${filled(1, (n) => `k${n}: 1, `)}}`,
  `${HEAD}${CONNECTORS}domains: ${list(0.98, () => '1,')}\n`,
  `${HEAD}${CONNECTORS}domains: ${list(0.98, () => '{},')}\n`,
  `${HEAD}${DOMAIN}connectors: ${list(0.98, () => '{},')}\n`,
  `${HEAD}${DOMAIN}connectors: ${list(0.4, () => '{},')}\n`,
  `${HEAD}${DOMAIN}${CONNECTORS}relay-names: ${list(0.98, () => '1,')}\n`,
  // legal, or nearly so, and compared with each other
  `${HEAD}${CONNECTORS}domains:\n${filled(0.98, (n) => `  - { name: d${n}.example, unknown-recipients: reject }\n`)}`,
  `${HEAD}${CONNECTORS}domains:\n${filled(0.98, () => '  - { name: d.example, unknown-recipients: reject }\n')}`,
  `${HEAD}domains:\n${filled(0.49, (n) => `  - {name: d${n}.e}\n`)}${spaces(0.49, (n) => `"*.${n}.e",`)}`,
  `${HEAD}domains:\n${filled(0.49, (n) => `  - {name: d${n}.e, unknown-recipients: on-premises}\n`)}${spaces(0.49, (n) => `d${n}.e,`)}`,
  `${HEAD}domains:\n${filled(0.49, (n) => `  - { name: d${n}.e, unknown-recipients: on-premises, verify-recipients: { at: nope } }\n`)}connectors: ${list(0.48, (n) => `{ name: c${n}, address-spaces: [d${n}.e], next-hop: { mx: true } },`)}\n`,
  `${HEAD}${DOMAIN}cloud: { routing-domains: ${list(0.49, (n) => `d${n}.e,`)} }\n${spaces(0.49, (n) => `"*.${n}.e",`)}`,
  `${HEAD}${DOMAIN}connectors: ${list(0.98, () => `{ name: c, address-spaces: [e.example], ${SMART} },`)}\n`,
  `${HEAD}${DOMAIN}connectors: ${list(0.98, (n) => `{ name: c${n}, address-spaces: [e${n}.example], ${SMART} },`)}\n`,
  `${HEAD}${DOMAIN}connectors: [{ name: home, ${SMART}, address-spaces: ${list(0.49, (n) => `"*.${n}.e",`)}, tls: { destinations: ${list(0.49, (n) => `{domain: d${n}.e, mode: none},`)} } }]\n`,
  `${HEAD}${DOMAIN}connectors: ${list(0.48, (n) => `{ name: c${n}, address-spaces: [e${n}.e], ${SMART} },`)}\nrules: ${list(0.5, (n) => `{when: {recipient: "*@e${n}.e"}, then: {connector: nope}},`)}\n`,
  `${HEAD}${DOMAIN}listeners: ${list(0.49, (n) => `{address: 127.0.0.1, port: ${n % 60_000}},`)}\nconnectors: [{ name: c, address-spaces: ["*"], next-hop: { smart-hosts: ${list(0.49, () => '"h:25",')} } }]\n`,
  `${HEAD}${DOMAIN}${CONNECTORS}peers: { on-premises: { networks: ${list(0.97, (n) => `10.${(n >> 8) & 255}.${n & 255}.1,`)} } }\n`,
  `${HEAD}${DOMAIN}${CONNECTORS}cloud: { routing-domains: [t.example.net], tenant: { headers: {${filled(0.97, (n) => `X-${n}: a,`)}} } }\n`,
  `${HEAD}${DOMAIN}${CONNECTORS}directory: { sources: ${list(0.97, () => '{name: a, file: x},')} }\n`,
];
