
Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")
GENOTYPE = <<GENOTYPE>>
# By cell.
REDUCES = <<REDUCES>>


class Cell(nn.Module):
    """Takes the outputs of the two cells before; each node adds up two operations."""

    def __init__(self, before, last, c, reduces, after_reduction):
        super().__init__()
        self.preprocess0 = FactorizedReduce(before, c) if after_reduction else relu_conv_norm(before, c, 1)
        self.preprocess1 = relu_conv_norm(last, c, 1)
        chosen = GENOTYPE.reduce if reduces else GENOTYPE.normal
        self.concat = list(GENOTYPE.reduce_concat if reduces else GENOTYPE.normal_concat)
        self.sources = [source for _, source in chosen]
        self._ops = nn.ModuleList(
            OPERATIONS[name](c, 2 if reduces and source < 2 else 1) for name, source in chosen
        )

    def forward(self, before, last):
        states = [self.preprocess0(before), self.preprocess1(last)]
        for first in range(0, len(self._ops), 2):
            states.append(sum(self._ops[i](states[self.sources[i]]) for i in (first, first + 1)))
        return torch.cat([states[i] for i in self.concat], dim=1)


class Network(nn.Module):
    """DARTS' NetworkCIFAR in evaluation mode, without the auxiliary head."""

    def __init__(self):
        super().__init__()
        before = last = 3 * CHANNELS
        self.stem = nn.Sequential(convolution(INPUT_CHANNELS, last, 3), nn.BatchNorm2d(last))
        c, after_reduction = CHANNELS, False
        self.cells = nn.ModuleList()
        for reduces in REDUCES:
            c = 2 * c if reduces else c
            cell = Cell(before, last, c, reduces, after_reduction)
            self.cells.append(cell)
            before, last, after_reduction = last, len(cell.concat) * c, reduces
        self.classifier = nn.Linear(last, CLASSES)

    def forward(self, images):
        before = last = self.stem(images)
        for cell in self.cells:
            before, last = last, cell(before, last)
        return self.classifier(last.mean(dim=(2, 3)))
