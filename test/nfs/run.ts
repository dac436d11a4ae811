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

/** What is shown on a real kernel NFS server and client. Arguments: the parts that are wanted; none: all of them. */
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
      // What has bounds comes last: a machine that does other things beside has finished them then.
      neighbour: neighbourTests,
      outage: createOutageTests(),
    },
    process.argv.slice(2),
  );

process.exit(await main());
