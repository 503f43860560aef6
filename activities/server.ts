/** Tells a workflow which Temporal server it runs on: two servers never have the same namespace ID, so leases can name theirs. */
export function createServerActivities({ server }: { server: string }) {
  return {
    async identifyServer(): Promise<{ server: string }> {
      return Promise.resolve({ server });
    },
  };
}

export type ServerActivities = ReturnType<typeof createServerActivities>;
