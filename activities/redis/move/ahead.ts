/** Makes the next one while the last one is used. */
export class Ahead<T> {
  #making: Promise<T> | undefined;

  constructor(private readonly make: () => Promise<T>) {}

  async next(): Promise<T> {
    const made = await (this.#making ?? this.make());
    this.#making = this.make();
    this.#making.catch(() => undefined);
    return made;
  }

  /** When nothing is being made. @throws what making it threw */
  async settled(): Promise<void> {
    await this.#making;
  }
}
