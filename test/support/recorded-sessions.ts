/** A protocol log in memory: the lines of all sessions, `> MAIL FROM:...`, `< 250 ok`, `* TLS: ...`, `-`. */
import type { ProtocolSession } from '../../src/mail/protocol-session.ts';

export class RecordedSessions {
  readonly lines: string[] = [];

  session(): ProtocolSession {
    const note = (event: string, text: string): void => {
      for (const line of text.split('\r\n')) if (line !== '') this.lines.push(`${event} ${line}`);
    };
    return {
      sent: (lines) => note('>', lines),
      received: (text) => note('<', text),
      note: (what) => note('*', what),
      end: () => void this.lines.push('-'),
    };
  }
}
