/** What a person types on-premises so that the directory there says what the relay says again. */
import type { Mailbox } from '../../mail/address.ts';

/**
 * Resets the on-premises objects of mailboxes that came back. Which step an object needs depends on how it was moved, so
 * the script looks first; what could destroy mail is left as `-WhatIf`.
 */
export function resetScript(wave: string, mailboxes: readonly Mailbox[]): string[] {
  if (mailboxes.length === 0) return [];
  return [
    `# Exchange Management Shell, on-premises: undo wave ${wave}.`,
    '# Carry back the mail that is in the cloud first: a cloud mailbox that is removed takes it along.',
    '$mailboxes = @(',
    mailboxes.map(({ address }) => `  ${quoted(address)}`).join(',\n'),
    ')',
    'foreach ($address in $mailboxes) {',
    '  $object = Get-Recipient -Identity $address -ErrorAction Stop',
    '  switch -Wildcard ($object.RecipientTypeDetails) {',
    "    'Remote*Mailbox' {",
    '      # The mailbox itself was moved. Content is wanted back: New-MoveRequest -Outbound in Exchange Online.',
    '      # The old mailbox was kept disconnected: Disable-RemoteMailbox, then Connect-Mailbox. Remove -WhatIf when sure.',
    '      Disable-RemoteMailbox -Identity $address -Confirm:$false -WhatIf',
    '    }',
    "    'MailUser' {",
    '      # Converted after a staged migration: it holds no mailbox here until one is connected or moved back.',
    '      Disable-MailUser -Identity $address -Confirm:$false -WhatIf',
    '    }',
    '    default {',
    '      # The mailbox is still here, with a forward to the cloud.',
    '      Set-Mailbox -Identity $address -ForwardingSmtpAddress $null -DeliverToMailboxAndForward $false',
    '      Set-ADUser -Identity $object.DistinguishedName -Clear targetAddress',
    '    }',
    '  }',
    '}',
    'Start-ADSyncSyncCycle -PolicyType Delta   # on the server with Entra Connect, where there is one',
  ];
}

/** A single-quoted string; PowerShell reads typographic quotes as quotes too. */
const quoted = (text: string): string => `'${text.replace(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}'`;
