import { Context } from '@temporalio/activity';

/** What each running activity said last. */
const said = new WeakMap<Context, unknown>();

/** Tells the server how far the activity of this call is; it is seen in Temporal's UI and by whoever follows the operation. */
export function tellProgress(details: unknown): void {
  const context = Context.current();
  said.set(context, details);
  context.heartbeat(details);
}

/** Tells the server that this worker lives, without taking back what the activity said. */
export function pulse(context: Context): void {
  context.heartbeat(said.get(context));
}
