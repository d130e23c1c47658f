/**
 * What Exchange Online's replies mean to a relay in front of it. Facts from Microsoft's table of non-delivery reports
 * (learn.microsoft.com, "Email non-delivery reports and SMTP errors in Exchange Online") and its pages on attribution,
 * direct send, throttling and transport-based enforcement; G3-G9, R14, R18 and R20 say what they mean here. The first
 * entry that fits counts, so what needs a word in the text stands before what does not.
 */
import type { AdviceEntry } from './advice-entry.ts';

export const CLOUD_ADVICE: readonly AdviceEntry[] = [
  {
    codes: ['5.4.1'],
    says: /relay access denied/i,
    meaning: 'The server takes no mail for the domain of this address',
    cause: 'The domain is no accepted domain of the tenant, or the connector leads to the wrong host',
    remedy:
      'Look whether the domain is an accepted domain (Get-AcceptedDomain) and where the connector leads (bridgehead explain ADDRESS)',
    whose: 'relay',
    policy: 'not-there',
  },
  {
    codes: ['5.4.1'],
    meaning: 'The cloud knows no such recipient (directory-based edge blocking)',
    cause:
      'The mailbox, its routing address or a group is not in the tenant, or was made so lately that its edge does not know it yet',
    remedy: 'Look with Get-Recipient ROUTING-ADDRESS in Exchange Online; compare all with bridgehead directory check',
    whose: 'recipient',
    policy: 'not-there',
  },
  {
    codes: ['5.7.504', '5.7.505'],
    meaning: 'The cloud knows no such recipient, or has barred it',
    cause: 'A mistyped address, or a mailbox that is no longer there',
    remedy: 'Look with Get-Recipient ROUTING-ADDRESS in Exchange Online',
    whose: 'sender',
  },
  {
    codes: ['5.1.10'],
    meaning: 'The cloud knows no recipient by this address',
    cause: 'The mailbox does not have the routing address that the directory here names, or is not in the cloud yet',
    remedy:
      'Get-Recipient ROUTING-ADDRESS in Exchange Online; add it there (Set-Mailbox -EmailAddresses @{Add=...}) or correct it here (bridgehead directory show ADDRESS)',
    whose: 'recipient',
    policy: 'not-there',
  },
  {
    codes: ['5.7.1', '5.7.367'],
    says: /TenantAttribution|ATTR36|ATTR35/i,
    meaning: 'The cloud could not tell whose mail this is, and relays nothing for strangers',
    cause:
      'No inbound connector of the tenant fits this relay: its certificate (name, whole chain) or its address is not the one that the connector names',
    remedy:
      'bridgehead connector test NAME shows what we present; then in Exchange Online: Get-InboundConnector | fl Name,Enabled,ConnectorType,TlsSenderCertificateName,SenderIPAddresses',
    whose: 'relay',
  },
  {
    codes: ['5.7.64'],
    meaning: 'The cloud could not tell whose mail this is, and relays nothing for strangers',
    cause: 'No inbound connector of the tenant fits the certificate or the address of this relay',
    remedy:
      'bridgehead connector test NAME shows what we present; then in Exchange Online: Get-InboundConnector | fl Name,Enabled,ConnectorType,TlsSenderCertificateName,SenderIPAddresses',
    whose: 'relay',
    policy: 'stop',
  },
  {
    codes: ['5.7.68'],
    meaning: 'The tenant refuses mail that names one of its own domains as sender and comes from nowhere it knows',
    cause:
      'Reject Direct Send is on, and the mail came without an inbound connector; or an outsider writes under a name of ours (then the refusal is right)',
    remedy:
      'For mail of your own servers give the connector a client certificate (tls: { certificate, key }, origin: internal) that an inbound connector names; leave outsiders refused',
    whose: 'relay',
    policy: 'stop',
  },
  {
    codes: ['4.7.230'],
    meaning: 'The cloud slows down mail from an Exchange server that is out of date',
    cause:
      'Transport-based enforcement: an on-premises inbound connector brings mail of an Exchange Server version that Microsoft no longer serves, or that misses updates',
    remedy:
      'Update that Exchange server; the report "Out-of-date connecting on-premises Exchange servers" in the Exchange admin center names it and can pause the enforcement',
    whose: 'relay',
    policy: 'throttle',
  },
  {
    codes: ['5.7.230'],
    meaning: 'The cloud takes no more mail from an Exchange server that is out of date',
    cause:
      'Transport-based enforcement has gone from slowing down to blocking: an Exchange Server version that Microsoft no longer serves, or that misses updates',
    remedy:
      'Update that Exchange server; the report "Out-of-date connecting on-premises Exchange servers" in the Exchange admin center names it and can pause the enforcement',
    whose: 'relay',
    policy: 'stop',
  },
  {
    codes: ['4.7.500-699'],
    meaning: 'The cloud limits mail from the address of this relay for a while',
    cause:
      'The address is new to it or sent much at once: it takes little until the address has a reputation, or an inbound connector names it',
    remedy:
      'Wait, it passes by itself; an inbound connector with the address or certificate of this relay makes it known (New-InboundConnector); a lower `connections` keeps below the limit',
    whose: 'relay',
    policy: 'throttle',
  },
  {
    codes: ['4.7.850-899'],
    meaning: 'The cloud suspects what comes from the address of this relay and takes nothing for a while',
    cause: 'Mail that looks like abuse went through this relay, or the address has a bad past',
    remedy: 'bridgehead report clients tells who sends; stop who should not; it passes by itself once the mail looks right',
    whose: 'relay',
  },
  {
    codes: ['5.7.506'],
    meaning: 'The server does not take the name that this relay gave in EHLO',
    cause: 'It is not our own full name, or it is the name of the server itself',
    remedy: 'Set hostname (or helo of the connector) to the name that DNS has for the address of this relay',
    whose: 'relay',
  },
  {
    codes: ['5.7.511'],
    meaning: 'Microsoft has barred the address of this relay',
    cause: 'Spam went out by it, from a client of ours or before the address was ours',
    remedy:
      'Find who sent it (bridgehead report clients), stop that, then write to delist@microsoft.com with the whole reply and the address; bridgehead connector resume NAME afterwards',
    whose: 'relay',
    policy: 'stop',
  },
  {
    codes: ['5.7.606-649'],
    meaning: 'Microsoft has barred the address of this relay',
    cause: 'Spam went out by it, from a client of ours or before the address was ours',
    remedy:
      'Find who sent it (bridgehead report clients), stop that, then ask for removal at https://sender.office.com; bridgehead connector resume NAME afterwards',
    whose: 'relay',
    policy: 'stop',
  },
  {
    codes: ['5.7.507', '5.7.513'],
    meaning: "The recipient's organisation has barred the address of this relay",
    cause: 'Their own block list names it',
    remedy: 'Only they can take it off: write to their administrator, with the address of this relay',
    whose: 'recipient',
  },
  {
    codes: ['5.7.508'],
    meaning: 'Too much came from the IPv6 network of this relay in a short time',
    cause: 'The cloud counts IPv6 senders by network',
    remedy: 'Set ip: 4 at the connector to the cloud (R20)',
    whose: 'relay',
  },
  {
    codes: ['5.7.510'],
    meaning: "The recipient's domain takes no mail by IPv6",
    cause: 'The tenant has not opened IPv6',
    remedy: 'Set ip: 4 at the connector (R20)',
    whose: 'relay',
  },
  {
    codes: ['4.7.26', '5.7.26'],
    says: /ipv6/i,
    meaning: 'Mail by IPv6 is taken only where SPF or DKIM vouches for it',
    cause: 'Behind a relay the SPF of the sender does not fit any more, and the message has no DKIM signature',
    remedy: 'Set ip: 4 at the connector (R20)',
    whose: 'relay',
  },
  {
    codes: ['5.7.25', '4.7.25'],
    meaning: 'The address of this relay has no name in DNS (PTR)',
    cause: 'No reverse record, or one whose name does not lead back; the cloud asks it of IPv6 senders, others of everybody',
    remedy: 'Have the owner of the address set the PTR record to the hostname of this relay; or set ip: 4 at the connector',
    whose: 'relay',
  },
  {
    codes: ['5.7.12', '5.7.13', '5.7.133', '5.7.134', '5.7.135', '5.7.136'],
    meaning: 'The recipient takes mail from its own organisation alone, and this counts as from outside',
    cause:
      'The internal sender was lost on the way (G9): between Exchange organisations only Exchange itself can vouch for a colleague, a relay cannot',
    remedy:
      'Let it take mail from outside as well: Set-DistributionGroup (Set-Mailbox, Set-MailUser) NAME -RequireSenderAuthenticationEnabled $false, and limit its senders otherwise',
    whose: 'recipient',
  },
  {
    codes: ['5.7.124'],
    meaning: 'The group does not take mail from this sender',
    cause: 'Its list of allowed senders does not name the sender; one from the other side is often missing there',
    remedy: 'Add the sender (a mail contact or mail user of it) to the list: Set-DistributionGroup NAME -AcceptMessagesOnlyFrom',
    whose: 'recipient',
  },
  {
    codes: ['5.4.6', '5.4.14'],
    meaning: 'The message goes round in circles, and the server ended it',
    cause:
      'Each side believes the mailbox to be on the other (ATTR34): the domain is not verified or is authoritative in the tenant, or the routing address is not at the mailbox',
    remedy:
      'bridgehead explain ADDRESS, then compare with Get-Recipient on both sides; the shared domain must be InternalRelay in the tenant (Set-AcceptedDomain)',
    whose: 'relay',
  },
  {
    codes: ['5.7.1', '5.7.367'],
    says: /ATTR34/i,
    meaning: 'The message goes round in circles, and the server ended it',
    cause: 'Each side believes the mailbox to be on the other; most often the domain is not verified in the tenant',
    remedy: 'bridgehead explain ADDRESS, bridgehead domain verify NAME, then compare with Get-Recipient on both sides',
    whose: 'relay',
  },
  {
    codes: ['4.4.317', '5.4.317'],
    meaning: 'The cloud would not go on after TLS: it does not trust the certificate that it was shown',
    cause:
      'The certificate file has no intermediates (the cloud does not fetch them), it is self-signed, or its name is another than the connector there expects',
    remedy:
      'bridgehead status names an incomplete chain; put leaf and intermediates in tls.certificate, and test with bridgehead smtp-check HOST',
    whose: 'relay',
  },
  {
    codes: ['4.4.316', '5.4.316'],
    meaning: 'The cloud could not connect to the server it was to deliver to',
    cause: 'A firewall, a listener that does not run, or a connector there that names the wrong host',
    remedy: 'Look whether port 25 is reached from outside, and at the smart host: Get-OutboundConnector | fl Name,SmartHosts',
    whose: 'relay',
  },
  {
    codes: ['4.7.321', '5.7.321', '4.7.322', '5.7.322', '4.7.323', '5.7.323', '4.7.325', '5.7.325'],
    meaning: 'The certificate or TLS of the receiving server does not fit what its domain promises in DNS (DANE)',
    cause:
      'No STARTTLS (321), an expired certificate (322), a TLSA record of another key (323), or a certificate of another name (325)',
    remedy:
      'Renew or correct the certificate of that server, or its TLSA record; where it is this relay: bridgehead status, bridgehead doctor',
    whose: 'recipient',
  },
  {
    codes: ['4.7.324', '5.7.324'],
    meaning: "The DNSSEC signatures of the recipient's domain do not hold",
    cause: 'Expired or missing signatures, or a DS record of an old key',
    remedy: 'Their DNS administrator must sign the zone anew; where the domain is yours, that is you',
    whose: 'recipient',
  },
  {
    codes: ['4.4.8', '5.4.8'],
    meaning: "The receiving server does not fit its domain's MTA-STS policy",
    cause: 'The policy does not name the MX, or the certificate of the MX is not trusted or names another host (RFC 8461)',
    remedy:
      'Where the domain is yours: name this relay in the policy file and give it a certificate of a public CA (bridgehead doctor)',
    whose: 'recipient',
  },
  {
    codes: ['5.7.520'],
    meaning: 'The outbound spam policy of the tenant forbids automatic forwarding to the outside',
    cause:
      'A rule or a mailbox in the cloud forwards to an address that counts as external, as an on-premises one may during a migration',
    remedy: 'Allow it for these senders: New-HostedOutboundSpamFilterPolicy -AutoForwardingMode On, with a rule for them',
    whose: 'recipient',
  },
  {
    codes: ['5.7.509'],
    meaning: "The sender's domain asks (DMARC) that mail be refused which it does not vouch for, and it did not vouch for this",
    cause: 'Behind a relay SPF does not fit any more; where DKIM is missing or was broken on the way, nothing is left that fits',
    remedy:
      'Enhanced Filtering lets the cloud look behind this relay: Set-InboundConnector NAME -EFSkipLastIP $true; a forged sender is rightly refused',
    whose: 'sender',
  },
  {
    codes: ['5.7.512'],
    meaning: 'The message has no valid From field',
    cause: 'A device or a script wrote it wrongly (RFC 5322 §3.6.2)',
    remedy: 'Correct the sender; this relay changes no header',
    whose: 'sender',
  },
  {
    codes: ['5.7.501-503', '5.1.8'],
    meaning: 'The sender is barred for sending spam',
    cause: 'The account was taken over, or sent in bulk',
    remedy: 'Look what the sender sent (bridgehead trace --sender ADDRESS), reset the account, then ask Microsoft to release it',
    whose: 'sender',
  },
  {
    codes: ['5.7.705', '5.7.708', '5.7.750'],
    meaning: 'Microsoft takes no mail on behalf of the tenant at the moment',
    cause: 'Most of its mail looked like abuse (705, 708), or came under domains that the tenant has not registered (750)',
    remedy: 'Find who sent it (bridgehead report clients), add the domains to the tenant, then open a case with Microsoft',
    whose: 'relay',
  },
  {
    codes: ['5.2.121', '5.2.122'],
    meaning: 'The recipient gets more mail in an hour than the cloud allows',
    cause: 'A program that reports often, or a loop of automatic answers',
    remedy: 'bridgehead trace --recipient ADDRESS --since 1h tells who writes; let the program send less',
    whose: 'sender',
  },
  {
    codes: ['4.3.2'],
    says: /STOREDRV|thread limit/i,
    meaning: 'The mailbox gets more at once than the cloud delivers to one',
    cause: 'A report to one mailbox, or a backlog that is sent at once',
    remedy: 'Nothing: it passes by itself',
    whose: 'recipient',
    policy: 'throttle',
  },
];
