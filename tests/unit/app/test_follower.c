keyring.now = NOON + 1;
f->clock.now = NOON + 1;
