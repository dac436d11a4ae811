import { diskTests } from './disk.ts';
import { hostileTests } from './hostile.ts';
import { lossTests } from './loss.ts';
import { neighbourTests } from './neighbour.ts';
import { createOutageTests } from './outages.ts';
import { rivalTests } from './rivals.ts';
import { sanityTests } from './sanity.ts';
import { sizesTests } from './sizes.ts';
import { storyTests } from './story.ts';
import { runTests } from './tests.ts';

/**
 * What is shown on a real kernel NFS server and client. Arguments: the parts that are wanted; none: all of them, as far
 * as `SECONDS_FOR_TESTS` allows. Each day begins with another part, so that none is always left out.
 */
const main = async (): Promise<number> =>
  runTests(
    {
      sanity: sanityTests,
      hostile: hostileTests,
      sizes: sizesTests,
      loss: lossTests,
      rivals: rivalTests,
      disk: diskTests,
      story: storyTests,
    },
    // What has bounds comes last: other things that run on the machine have ended by then.
    {
      neighbour: neighbourTests,
      outage: createOutageTests(),
    },
    process.argv.slice(2),
    { first: Math.floor(Date.now() / 86_400_000), seconds: Number(process.env.SECONDS_FOR_TESTS ?? 'Infinity') },
  );

process.exit(await main());
