export const runDemo = async (_args: readonly string[]): Promise<number> => 0;
