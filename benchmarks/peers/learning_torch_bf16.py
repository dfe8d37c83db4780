"""learning_torch.py with bfloat16 where autocast takes it."""

import learning_torch

learning_torch.main(bf16=True)
