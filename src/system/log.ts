import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines: a fixed message, the facts as fields. What may be a secret is taken out whoever logs it. */
export const createLog = (level: LogLevel, destination?: DestinationStream): Log =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['secrets', '*.secrets', 'volume_context', '*.volume_context'], censor: '***' },
      serializers: { err: describeError },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );

/** `password=hunter2` as `password=***`: what a mount option or a tool's complaint may carry. */
export const redactText = (text: string): string =>
  text.replace(/\b(\w*(?:pass|secret|token|credential|cred|key)\w*\s*[=:]\s*)[^,\s"']+/gi, '$1***');

const describeError = (thrown: unknown): unknown => {
  if (!(thrown instanceof Error)) return thrown === undefined ? undefined : redactText(String(thrown));
  const { name, message, stack, cause } = thrown;
  const { code, stderr } = thrown as { readonly code?: unknown; readonly stderr?: unknown };
  return {
    name,
    message: redactText(message),
    ...(typeof code === 'string' && { code }),
    ...(typeof stderr === 'string' && { stderr: redactText(stderr) }),
    ...(stack !== undefined && { stack: redactText(stack) }),
    ...(cause !== undefined && { cause: describeError(cause) }),
  };
};
