/** Somebody asked to stop, and this is a safe point. `effects`: what the step that stops here has done until now. */
export class StopRequested extends Error {
  constructor(readonly effects: readonly string[] = []) {
    super('stopped at a safe point');
  }
}
