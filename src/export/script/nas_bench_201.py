
# By edge: the state that it reads, the node that it leads to, the operation.
GENOTYPE = <<EDGES>>


class Cell(nn.Module):
    """Every edge is one operation; the last node is the output."""

    def __init__(self, c):
        super().__init__()
        # What has no weights needs no name.
        self.layers = nn.ModuleList(
            nn.Identity() if name == "none" else OPERATIONS[name](c, 1) for _, _, name in GENOTYPE
        )

    def forward(self, x):
        states = [x]
        for node in range(1, 1 + max(target for _, target, _ in GENOTYPE)):
            there = [i for i, (_, target, name) in enumerate(GENOTYPE) if target == node and name != "none"]
            sums = [self.layers[i](states[GENOTYPE[i][0]]) for i in there]
            states.append(sum(sums) if sums else torch.zeros_like(x))
        return states[-1]


class Residual(nn.Module):
    """Between two stages: half of the resolution, twice the channels."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_a = relu_conv_norm(inputs, outputs, 3, 2)
        self.conv_b = relu_conv_norm(outputs, outputs, 3)
        # At odd sizes the last row and column stay by themselves.
        halves = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
        self.downsample = nn.Sequential(halves, convolution(inputs, outputs, 1))

    def forward(self, x):
        return self.conv_b(self.conv_a(x)) + self.downsample(x)


class Network(nn.Module):
    """NAS-Bench-201's network in evaluation mode."""

    def __init__(self):
        super().__init__()
        c = CHANNELS
        self.stem = nn.Sequential(convolution(INPUT_CHANNELS, c, 3), nn.BatchNorm2d(c))
        self.cells = nn.ModuleList()
        for i in range(CELLS):
            if i > 0 and i in (CELLS // 3, 2 * CELLS // 3):
                self.cells.append(Residual(c, 2 * c))
                c = 2 * c
            self.cells.append(Cell(c))
        self.lastact = nn.Sequential(nn.BatchNorm2d(c), nn.ReLU())
        self.classifier = nn.Linear(c, CLASSES)

    def forward(self, images):
        x = self.stem(images)
        for cell in self.cells:
            x = cell(x)
        return self.classifier(self.lastact(x).mean(dim=(2, 3)))
