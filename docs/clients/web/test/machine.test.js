// The cases of ../../conformance. ROLLCALL_MACHINE names another module to hold against them.

import assert from 'node:assert/strict';
import test from 'node:test';

import { conformance, run } from '../conformance.js';

const { PresenceMachine } = await import(process.env.ROLLCALL_MACHINE ?? '../rollcall.js');

for (const one of conformance.cases) {
  test(`${one.transport}: ${one.name}`, () => {
    assert.deepEqual(run(PresenceMachine, one), one.steps);
  });
}
