/** One thing that a next hop's reply can mean, as the reply advisor knows it. */

export interface AdviceEntry {
  /** Enhanced status codes (RFC 3463); `4.7.500-699` is a range of details. */
  readonly codes: readonly string[];
  /** What the text must say besides; absent: whatever it says. */
  readonly says?: RegExp;
  /** What the server says, in plain words. */
  readonly meaning: string;
  /** Why it most often says so to a relay between two sides. */
  readonly cause: string;
  /** What the administrator of this relay does or types. */
  readonly remedy: string;
  /** Who can put it right: whom a notification points to. */
  readonly whose: 'sender' | 'recipient' | 'relay';
  /** Where delivery has a way of its own with this code (delivery/outcome-table.ts, which a test compares). */
  readonly policy?: 'throttle' | 'stop' | 'not-there';
}
