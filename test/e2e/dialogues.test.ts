/** The same dialogues with Postfix, so that where we answer otherwise than it does stands written in them, with the reason. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hold, readDialogues } from '../support/dialogues.ts';
import { startPostfix } from './support/postfix.ts';
import { freePorts, selfSigned, Workspace } from './support/workspace.ts';

describe('the dialogues with Postfix', () => {
  const workspace = new Workspace('dialogues');
  let port = 0;

  beforeAll(async () => {
    [port = 0] = await freePorts(1);
    const { certificate, key } = selfSigned(workspace, 'mx1.example.com');
    await startPostfix(workspace, port, 1, [
      'myhostname = mx1.example.com',
      'mynetworks = 192.0.2.1/32',
      'smtpd_relay_restrictions = reject_unauth_destination',
      'smtpd_tls_security_level = may',
      `smtpd_tls_chain_files = ${key}, ${certificate}`,
      'smtpd_helo_required = yes',
      'smtpd_error_sleep_time = 0',
      'smtpd_soft_error_limit = 1000',
      'smtpd_hard_error_limit = 1000',
      'smtpd_client_connection_count_limit = 0',
      'smtpd_authorized_xclient_hosts = 127.0.0.2',
    ]);
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  it.each(readDialogues().map((dialogue) => [dialogue.name, dialogue] as const))('%s', async (_name, dialogue) => {
    expect(await hold(dialogue, port, 'postfix')).toBeUndefined();
  });

  it.each(readDialogues('filter').map((dialogue) => [dialogue.name, dialogue] as const))('%s', async (_name, dialogue) => {
    expect(await hold(dialogue, port, 'postfix', '127.0.0.2')).toBeUndefined();
  });
});
