/** The settings of the demo's relay, as a user would write them. */
import { DOMAIN, OLD_DOMAIN, RELAY_NAME, ROUTING_DOMAIN, type SiteName, SOURCES } from './samples.ts';

export interface DemoPortNumbers {
  readonly relay: number;
  readonly admin: number;
  readonly sites: Readonly<Record<SiteName, number>>;
}

export function settingsFile(ports: DemoPortNumbers): string {
  return `hostname: ${RELAY_NAME}
data-directory: data
log: { level: info, format: json }
listeners:
  - { address: 127.0.0.1, port: ${ports.relay} }
admin: { address: 127.0.0.1, port: ${ports.admin} }

domains:
  # Nobody has the whole list of the on-premises side: whom we do not know, that server is asked for before we accept.
  - { name: ${DOMAIN}, type: internal-relay, unknown-recipients: on-premises, verify-recipients: { at: on-premises } }
  - { name: ${OLD_DOMAIN}, type: internal-relay, unknown-recipients: on-premises, verify-recipients: off }

cloud:
  routing-domains: [${ROUTING_DOMAIN}]

peers:
  on-premises: { networks: [${SOURCES['on-premises'].address}/32] }
  cloud: { networks: [${SOURCES.cloud.address}/32] }

connectors:
  - name: cloud
    address-spaces: [${ROUTING_DOMAIN}]
    next-hop: { smart-hosts: ["127.0.0.1:${ports.sites.cloud}"] }
    tls: { mode: opportunistic }
  - name: on-premises
    address-spaces: [${DOMAIN}]
    next-hop: { smart-hosts: ["127.0.0.1:${ports.sites['on-premises']}"] }
    tls: { mode: opportunistic }
  - name: old-site
    address-spaces: [${OLD_DOMAIN}]
    next-hop: { smart-hosts: ["127.0.0.1:${ports.sites['old-site']}"] }
    tls: { mode: opportunistic }

directory:
  sources:
    - { name: plain, file: recipients.csv }

queue:
  retry: [5s, 1m]
`;
}
