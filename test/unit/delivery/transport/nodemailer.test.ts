import NodemailerConnection from 'nodemailer/lib/smtp-connection';
import { describe, expect, it } from 'vitest';

/** smtp-connection.ts stands on these; an upgrade that moves one must be read before it is taken. */
describe("nodemailer's connection", () => {
  it('still has each inner method that we override or call', () => {
    const prototype = NodemailerConnection.prototype as unknown as Record<string, unknown>;
    const lengths: Record<string, number> = {
      connect: 1,
      quit: 0,
      close: 0,
      _onData: 1,
      _onEnd: 0,
      _onError: 4,
      _destroy: 0,
      _sendCommand: 2,
      _actionEHLO: 1,
      _actionSTARTTLS: 1,
      _upgradeConnection: 1,
    };
    for (const [name, length] of Object.entries(lengths)) {
      const method = prototype[name];
      expect([name, typeof method === 'function' ? method.length : typeof method]).toEqual([name, length]);
    }
  });

  it('still calls them on itself, and keeps the fields that we read', () => {
    const source = NodemailerConnection.toString();
    for (const piece of [
      'this._onSocketData = chunk => this._onData(chunk)',
      'this._onSocketEnd = () => this._onEnd()',
      "this._sendCommand('STARTTLS')",
      'this._responseActions.push(this._actionEHLO)',
      'this._responseActions.push(this._actionSTARTTLS)',
      'this._upgradeConnection(',
      "this._sendCommand('EHLO ' + this.name)",
      "this._sendCommand('LHLO ' + this.name)",
      "this._sendCommand('HELO ' + this.name)",
      "this._supportedExtensions.push('DSN')",
      'this._maxAllowedSize = Number(',
      "this._remainder = ''",
      'this._destroyed = true',
    ]) {
      expect(source).toContain(piece);
    }
  });
});
