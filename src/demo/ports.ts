/** What the demo needs from outside. */
export interface DemoPorts {
  /** The relay's main file: the demo runs it as a process of its own. */
  readonly mainFile: string;
  /** Where the account goes: standard output. */
  write(text: string): void;
  /** Ends the demo early, and a `--keep` at all. */
  readonly signal: AbortSignal;
}
