/** What evidence needs: the outbox that the spool keeps (design.md D6). */

/** Records of one spool transaction, serialised: JSON lines without a final newline. */
export interface OutboxBatch {
  /** Grows for ever, also across restarts; the key under which the store knows a batch, so that a replay is harmless. */
  readonly sequence: number;
  readonly lines: string;
}

export interface Outbox {
  /** Batches that were committed and not yet acknowledged; at start these are what a crash left. */
  pending(): Iterable<OutboxBatch>;
  /** Called with each batch after its transaction is durable. */
  onCommitted(take: (batch: OutboxBatch) => void): void;
  /** The store has them durably: they may leave the outbox. */
  acknowledge(sequences: readonly number[]): void;
}
